"""Clips of many prompts, in a script that can be killed at any moment: the same command continues where it stopped.

    python examples/durable.py PROMPTS.txt OUT/

PROMPTS.txt has one prompt per line; a repeated line is generated once. Each request is recorded in OUT/journal.sqlite
before it is sent, so nothing is paid twice, and no paid result is lost.
"""

import asyncio
import sys
from pathlib import Path

from kling_async import KlingClient, TextToVideo


async def main(prompts: str, directory: str) -> None:
    """Generates the missing clips."""
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    async with KlingClient(journal=out / "journal.sqlite") as kling, asyncio.TaskGroup() as group:
        for prompt in set(Path(prompts).read_text("utf-8").splitlines()):
            group.create_task(kling.generate(TextToVideo(prompt), out, key=prompt))


if __name__ == "__main__":
    match sys.argv[1:]:
        case [prompts, directory]:
            asyncio.run(main(prompts, directory))
        case _:
            sys.exit(__doc__)
