"""Sends the same callbacks in turn to a handler that only reads them, and to a receiver with waiters."""

import asyncio
import json
import os
import sys
from typing import Any, Final

import aiohttp

from benchmarks.callbacks.messages import Message, round_of
from benchmarks.work.runs import REPOSITORY

COUNT: Final = 10_000
PAIRS: Final = 7
CONNECTIONS: Final = 16
ROUNDS: Final = 4
"""Rounds of callbacks for the memory figures: twice as many callbacks as the receiver remembers message ids."""


def measure(*, count: int = COUNT, pairs: int = PAIRS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Runs all pairs, with the two halves in alternating order, and then one receiver for several rounds.

    Returns:
        The figures of each pair's halves, and of each round of the last receiver.
    """
    found: list[dict[str, Any]] = []
    for number in range(pairs):
        pair: dict[str, Any] = {"load": os.getloadavg()[0]}
        for kind in ("bare", "receiver")[:: 1 if number % 2 else -1]:
            pair[kind] = asyncio.run(called_back(kind, count))[0]
        found.append(pair)
    return {"count": count, "pairs": found, "rounds": asyncio.run(called_back("receiver", count, rounds))}


async def called_back(kind: str, count: int, rounds: int = 1) -> list[dict[str, Any]]:
    """Starts a process and sends it callbacks as fast as possible; returns its figures for each round."""
    arguments = [kind] if kind == "bare" else [kind, str(count // 2)]
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.callbacks.server", *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    figures: list[dict[str, Any]] = []
    try:
        port = (await process.stdout.readline()).decode().strip()
        for number in range(rounds):
            answered = await posted(f"http://127.0.0.1:{port}/", round_of(number, count // 2))
            process.stdin.write(b"figures\n")
            figures.append(json.loads(await process.stdout.readline()) | {"answered": answered})
        process.stdin.close()
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return figures


async def posted(url: str, messages: list[Message]) -> int:
    """Posts all messages over several connections; returns how many were answered with 200."""
    left = iter(messages)
    answered = 0

    async def post(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        for body, headers in left:
            async with session.post(url, data=body, headers=headers) as answer:
                answered += answer.status == 200

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        await asyncio.gather(*(post(session) for _ in range(CONNECTIONS)))
    return answered
