"""Traces and metrics: a span for each generation, with its phases, and none for file hosts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kling_async import KlingClient, TaskFailed, TextToSpeech, TextToVideo, events
from kling_async.emulator import Call, Emulator, Fault
from kling_async.opentelemetry import Telemetry
from kling_async.protocol.event_of import Ids
from tests.shell.conftest import ClientMaker, wall

CAT = TextToVideo("a cat")


class Seen:
    """A listener, and the spans and metrics it created."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.telemetry = Telemetry(self.provider, MeterProvider([self._reader]))

    @property
    def spans(self) -> list[ReadableSpan]:
        """The ended spans, by their start."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    @property
    def roots(self) -> list[ReadableSpan]:
        """The spans of generations."""
        return [span for span in self.spans if span.name.startswith("generate_content")]

    def children(self, root: ReadableSpan) -> list[ReadableSpan]:
        """The phases of a generation."""
        return [span for span in self.spans if span.parent is not None and span.parent == root.context]

    def metric(self, name: str) -> list[tuple[Any, dict[str, Any]]]:
        """The points of a metric: a number, or the count and the sum, each with its attributes."""
        data = self._reader.get_metrics_data()
        scopes = [scope for each in data.resource_metrics for scope in each.scope_metrics] if data is not None else []
        points = [
            point for scope in scopes for each in scope.metrics if each.name == name for point in each.data.data_points
        ]
        return [
            (
                point.value if isinstance(point, NumberDataPoint) else (point.count, point.sum),
                dict(point.attributes or {}),
            )
            for point in points
            if isinstance(point, NumberDataPoint | HistogramDataPoint)
        ]


@pytest.fixture
def seen() -> Seen:
    """The spans and metrics of a listener."""
    return Seen()


def names(spans: list[ReadableSpan]) -> list[str]:
    """The names of spans."""
    return [span.name for span in spans]


async def test_a_generation(make_client: ClientMaker, seen: Seen, tmp_path: Path) -> None:
    """The span of a generation is a child of the caller's, has contiguous phases, its ids and its cost."""
    with seen.provider.get_tracer("app").start_as_current_span("request") as request:
        await make_client(on_event=seen.telemetry).generate(CAT, tmp_path / "cat.mp4")
    (root,) = seen.roots
    assert root.parent == request.get_span_context()
    parts = seen.children(root)
    assert names(parts) == ["queue", "create", "generate", "download"]
    edges = [root.start_time, *(edge for part in parts for edge in (part.start_time, part.end_time)), root.end_time]
    assert edges == sorted(edge or 0 for edge in edges)
    assert [before.end_time for before in parts[:2]] == [part.start_time for part in parts[1:3]]
    attributes = dict(root.attributes or {})
    assert attributes["gen_ai.request.model"] == "kling-v2-6"
    assert attributes["kling.cost.units"] == 1.5
    assert attributes["gen_ai.response.id"]
    assert [event.name for event in parts[2].events] == ["processing", "succeed"]


async def test_metrics(make_client: ClientMaker, seen: Seen, tmp_path: Path) -> None:
    """Counts, seconds, units and bytes are recorded by model, without attributes of high cardinality."""
    client = make_client(on_event=seen.telemetry)
    path = await client.generate(CAT, tmp_path / "cat.mp4")
    with pytest.raises(TaskFailed):
        await (await client.submit(TextToVideo("forbidden")))
    [(units, attributes)] = seen.metric("kling.paid.units")
    assert units == 1.5
    assert set(attributes) == {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "kling.endpoint",
        "kling.package_type",
    }
    assert seen.metric("kling.saved")[0][0] == path.stat().st_size
    whole = seen.metric("gen_ai.client.operation.duration")
    assert sorted((point[0], attributes.get("error.type", "")) for point, attributes in whole) == [
        (1, ""),
        (1, "TaskFailed"),
    ]
    phases = {attributes["kling.phase"] for _, attributes in seen.metric("kling.phase.duration")}
    assert phases == {"queue", "create", "generate", "download"}
    assert seen.metric("kling.poll.duration")


async def test_what_goes_wrong(make_client: ClientMaker, emulator: Emulator, seen: Seen) -> None:
    """A full account is another wait in line, a lost response an event of the create, a failed task an error."""
    emulator.faults.add(Fault.error(1303), on="create", at=1)
    emulator.faults.add(Fault.reset(after_effect=True), on="create", at=2)
    with pytest.raises(TaskFailed):
        await (await make_client(on_event=seen.telemetry).submit(TextToVideo("forbidden")))
    (root,) = seen.roots
    parts = seen.children(root)
    assert names(parts) == ["queue", "create", "queue", "create", "generate"]
    assert [event.name for event in parts[3].events] == ["in_doubt"]
    failed = [span for span in (*parts, root) if span.status.status_code is trace.StatusCode.ERROR]
    assert failed == [parts[1], parts[4], root]
    assert [(number, "kling.final" in more) for number, more in seen.metric("kling.in_doubt")] == [(1, True)]
    assert [number for number, _ in seen.metric("kling.throttled")] == [1]


async def test_closing_leaves_a_doubt(make_client: ClientMaker, emulator: Emulator, seen: Seen) -> None:
    """A create that closing interrupts is an error of its span, with its caller's message."""
    emulator.faults.add(Fault.delay(60), on="create")
    client = make_client(on_event=seen.telemetry)
    creating = asyncio.ensure_future(client.submit(CAT))
    await asyncio.sleep(1)
    await client.close()
    await asyncio.gather(creating, return_exceptions=True)
    [root] = seen.roots
    assert (root.attributes or {})["error.type"] == "CreateInDoubt"
    assert "it may be billed" in (root.status.description or "")


async def test_a_link_over_processes(make_client: ClientMaker, seen: Seen, tmp_path: Path) -> None:
    """The span of work that another process continues from the journal is linked to the first span."""
    path, later = tmp_path / "clips.sqlite", Seen()
    async with make_client(on_event=seen.telemetry, journal=path) as client:
        await client.submit(CAT, key="cat", save_to=tmp_path / "cat.mp4")
    async with make_client(on_event=later.telemetry, journal=path) as client:
        async for handle in client.recover():
            await handle.save()
    (begun,), (root,) = seen.roots, later.roots
    assert begun.context is not None
    assert [link.context.span_id for link in root.links] == [begun.context.span_id]
    assert [link.context.trace_id for link in root.links] == [begun.context.trace_id]
    assert names(later.children(root)) == ["generate", "download"]
    assert dict(begun.attributes or {})["error.type"] == "ClientClosed"
    assert begun.status.status_code is trace.StatusCode.UNSET


async def test_a_later_save(make_client: ClientMaker, seen: Seen, tmp_path: Path) -> None:
    """A file saved after the generation has ended is its child all the same; no span stays open."""
    client = make_client(on_event=seen.telemetry)
    handle = await client.submit(CAT)
    await handle
    await handle.save(tmp_path / "cat.mp4")
    (root,) = seen.roots
    assert names(seen.children(root))[-1] == "download"
    assert seen.telemetry._works == {}


WORK = Ids(work=1, endpoint="text2video", line="kling-v2-6", key=None, external_task_id=None, task_id=None)


def test_a_clock_that_is_set_back(seen: Seen) -> None:
    """No span ends before it began, and the metrics use the durations of the events."""
    for event in (
        events.Queued(at=1000.0, slots=1, **WORK),
        events.Sent(at=900.0, send=1, seconds=2.0, **WORK),
        events.Throttled(at=800.0, full=False, **WORK),
        events.Sent(at=700.0, send=2, seconds=3.0, **WORK),
        events.Accepted(at=600.0, seconds=4.0, found=False, **WORK),
        events.Changed(at=500.0, status="processing", **WORK),
        events.Ended(at=400.0, status="succeed", seconds=50.0, **WORK),
    ):
        seen.telemetry(event)
    assert len(seen.spans) == 4
    assert all((span.end_time or 0) >= (span.start_time or 0) > 0 for span in seen.spans)
    phases = {more["kling.phase"]: point for point, more in seen.metric("kling.phase.duration")}
    assert phases == {"queue": (1, 2.0), "create": (1, 7.0), "generate": (1, 50.0)}
    assert [point for point, _ in seen.metric("gen_ai.client.operation.duration")] == [(1, 59.0)]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (events.Ended(at=2.0, status=None, seconds=1.0, error_type="ClientClosed", **WORK), "UNSET"),
        (events.Refused(at=2.0, error_type="CancelledError", **WORK), "UNSET"),
        (events.Refused(at=2.0, error_type="QueueTimeout", **WORK), "ERROR"),
        (events.InDoubt(at=2.0, final=True, error_type="CancelledError", **WORK), "ERROR"),
    ],
)
def test_close_and_cancellation_are_no_errors(seen: Seen, end: events.Failure, status: str) -> None:
    """Closing and cancelling do not set a span's status, unless a task may have been created."""
    seen.telemetry(events.Queued(at=1.0, slots=1, **WORK))
    seen.telemetry(end)
    assert [span.status.status_code.name for span in seen.spans] == 2 * [status]


@pytest.mark.parametrize(
    ("endpoint", "line", "model"),
    [
        ("text2video", "kling-v2-6", "kling-v2-6"),
        ("generations", "kling-v3 (image)", "kling-v3"),
        ("raw:/v1/videos/new", "raw:/v1/videos/new", None),
        ("audio/sfx", "audio/sfx (sound)", None),
        ("audio/tts", "", None),
    ],
)
def test_models(seen: Seen, endpoint: str, line: str, model: str | None) -> None:
    """The model attribute is the model's name alone, and is missing where only an endpoint is known."""
    seen.telemetry(events.Refused(at=1.0, work=1, endpoint=endpoint, line=line))
    [root] = seen.roots
    assert root.name == f"generate_content {model or ''}".rstrip()
    assert (root.attributes or {}).get("gen_ai.request.model") == model


async def test_each_span_ends(make_client: ClientMaker, emulator: Emulator, seen: Seen) -> None:
    """Every span ends: cancelled in line, refused, closed, attached, calls."""
    client = make_client(on_event=seen.telemetry, concurrency=1)
    handle = await client.submit(CAT)
    waiting = asyncio.ensure_future(client.submit(CAT))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await client.text_to_speech("Hello", voice_id="genshin_vindi2", voice_language="en")
    emulator.faults.add(Fault.reset(after_effect=True), on="call", times=1)
    await asyncio.gather(
        client.submit(TextToSpeech("Hello", voice_id="genshin_vindi2", voice_language="en")), return_exceptions=True
    )
    other = make_client(on_event=seen.telemetry)
    await other.attach(handle.reference)
    await asyncio.gather(other.submit(TextToVideo("refused")), return_exceptions=True)
    last = await other.submit(CAT)
    await asyncio.gather(other.close(), last.wait(), return_exceptions=True)
    await client.close()
    assert seen.telemetry._works == {}
    assert len(seen.roots) == 7


async def test_nothing_goes_to_file_hosts(emulator: Emulator, tmp_path: Path) -> None:
    """A session that adds `traceparent` to every request, as instrumentations do, adds none for files."""
    seen: dict[str, set[bool]] = {}

    def see(call: Call) -> bool:
        seen.setdefault(call.kind, set()).add("traceparent" in {name.lower() for name in call.headers})
        return False

    emulator.faults.add(Fault.delay(0), when=see)

    async def inject(_session: object, _context: object, parameters: aiohttp.TraceRequestStartParams) -> None:
        parameters.headers["traceparent"] = "00-" + 32 * "1" + "-" + 16 * "1" + "-01"

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(inject)
    clock: Callable[[], float] = wall()
    async with (
        aiohttp.ClientSession(trace_configs=[tracing]) as session,
        KlingClient(api_key=emulator.api_key, base_url=emulator.base_url, session=session, clock=clock) as client,
    ):
        await client.generate(CAT, tmp_path / "cat.mp4")
    assert seen["create"] == {True}
    assert seen["file"] == {False}
