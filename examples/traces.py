"""Generates ten videos and shows where the time went: writes spans to a file and draws them as text.

    pip install 'kling-async[opentelemetry]' opentelemetry-sdk
    python traces.py spans.jsonl out/

Use your own exporter, such as one for OTLP, in place of the file.
"""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from kling_async import KlingClient, TextToVideo
from kling_async.opentelemetry import Telemetry

WIDTH = 72
LETTERS = {"queue": ".", "create": "c", "generate": "=", "download": "d"}


async def main(spans: str, directory: str) -> None:
    """Generates the videos, and draws the spans in the file."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    with Path(spans).open("w", encoding="utf-8") as file:
        provider = TracerProvider()
        exporter = ConsoleSpanExporter(out=file, formatter=lambda span: f"{span.to_json(indent=None)}\n")
        provider.add_span_processor(BatchSpanProcessor(exporter))
        async with KlingClient(on_event=Telemetry(provider)) as kling:
            requests = [TextToVideo(f"a cat, take {number}") for number in range(1, 11)]
            paths = [Path(directory, f"cat-{number}.mp4") for number in range(1, 11)]
            await asyncio.gather(*map(kling.generate, requests, paths))
        provider.shutdown()
    print(drawn([json.loads(line) for line in Path(spans).read_text("utf-8").splitlines()]))


def drawn(spans: list[dict[str, Any]]) -> str:
    """Draws one line per generation, ordered by start; each letter is a phase."""
    began, ended = min(map(start, spans)), max(map(end, spans))
    column = (ended - began) / WIDTH or 1
    lines = [f"{ended - began:.1f} s in {WIDTH} columns: " + ", ".join(f"{LETTERS[name]} {name}" for name in LETTERS)]
    for root in sorted((span for span in spans if span["parent_id"] is None), key=start):
        line = [" "] * WIDTH
        for child in (span for span in spans if span["parent_id"] == root["context"]["span_id"]):
            first, last = int((start(child) - began) / column), int((end(child) - began) / column)
            for place in range(first, max(last, first + 1)):
                line[min(place, WIDTH - 1)] = LETTERS[child["name"]]
        attributes = root["attributes"]
        cost = attributes.get("kling.cost.units", "?")
        lines.append(f"|{''.join(line)}| {end(root) - start(root):5.1f} s  {cost} units")
    return "\n".join(lines)


def start(span: dict[str, Any]) -> float:
    """Returns the start of a span, in seconds since 1970."""
    return datetime.fromisoformat(span["start_time"]).timestamp()


def end(span: dict[str, Any]) -> float:
    """Returns the end of a span, in seconds since 1970."""
    return datetime.fromisoformat(span["end_time"]).timestamp()


if __name__ == "__main__":
    match sys.argv[1:]:
        case [spans, directory]:
            asyncio.run(main(spans, directory))
        case _:
            sys.exit(__doc__)
