"""Measures a test of "upload, wait, save" with the test kit, against a bare GET of the file that it saves.

One process runs the kit's emulator, in its thread, and its client, as in a project's tests. The two take turns, so that
other load of the machine affects both alike.
"""

import asyncio
import struct
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.figures import Goal, Spread, table

GOAL: Final = 15.0
"""Maximum, as a multiple of a bare GET, by the medians."""
WARM_UP: Final = 10
"""Rounds that do not count: they import modules and open connections."""
PHOTO: Final = Path(__file__).parents[1] / "examples" / "images" / "cat.png"
SIDE: Final = 300
"""Pixels of each side of the smallest picture that the service accepts."""

_ROWS: Final = {
    "small": "upload of the smallest picture, wait, save",
    "photo": "the same with a photo",
    "get": "a bare GET of the video",
}


def measure(environments: Mapping[str, Path], rounds: int = 100) -> dict[str, Any]:
    """Runs both in turn.

    Args:
        environments: of peers; not used.
        rounds: number of runs of each.
    """
    del environments
    return asyncio.run(_measured(rounds))


async def _measured(rounds: int) -> dict[str, Any]:
    from kling_async.testing import KlingEmulator  # noqa: PLC0415  (where it is measured)

    seconds: dict[str, list[float]] = {name: [] for name in _ROWS}
    pictures = {"small": _png(), "photo": PHOTO.read_bytes()}
    size = 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, KlingEmulator() as emulator:
        async with emulator.client() as kling, aiohttp.ClientSession() as session:
            for number in range(WARM_UP + rounds):
                taken = dict[str, float]()
                path, url = Path(folder) / "none", ""
                for name, picture in pictures.items():
                    path = Path(folder) / f"{number}-{name}.mp4"
                    begun = time.perf_counter()
                    handle = await kling.image_to_video(picture, prompt="it moves")
                    await handle.save(path)
                    taken[name] = time.perf_counter() - begun
                    url = (await handle).videos[0].url
                begun = time.perf_counter()
                async with session.get(url) as response:
                    body = await response.read()
                taken["get"] = time.perf_counter() - begun
                if body != path.read_bytes():
                    raise RuntimeError("the saved file is not the requested one")
                size = len(body)
                if number >= WARM_UP:
                    for name, each in taken.items():
                        seconds[name].append(each)
    return {"seconds": seconds, "bytes": size, "photo": PHOTO.stat().st_size}


def _png() -> bytes:
    """Returns a grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\x80" * SIDE) * SIDE)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def markdown(data: Mapping[str, Any]) -> str:
    """Returns the section of the report."""
    rows = [[_ROWS[name], _milliseconds(seconds)] for name, seconds in data["seconds"].items()]
    return f"""## The test kit

A test that sends a picture, waits for its task and saves the video, with the settings of the kit: three requests, of
which the create opens a new connection. The pictures are a grey one of {SIDE} x {SIDE} and a photo of
{data["photo"] / 1000:.0f} kB. For comparison, a GET of the same video ({data["bytes"] / 1000:.0f} kB) from the same
server by an aiohttp session whose connection stays open, read to its end. {len(data["seconds"]["get"])} of each in
turn, in one process that also runs the server: median (lowest to highest).

{table(["", "ms"], rows)}

Time as a multiple of a bare GET, by the medians: {_measured_as(data)}.
"""


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """Returns the goal with its measured figure."""
    name, goal = "test kit: upload, wait, save, times a bare GET of the file", f"at most {GOAL:.0f}"
    if "seconds" not in data:
        return [Goal(name, goal)]
    return [Goal(name, goal, _measured_as(data), _ratio(data, "small") / GOAL - 1)]


def _measured_as(data: Mapping[str, Any]) -> str:
    quickest = min(data["seconds"]["small"]) / min(data["seconds"]["get"])
    photo = _ratio(data, "photo")
    return f"{_ratio(data, 'small'):.1f} (by the quickest of each {quickest:.1f}; with a photo {photo:.1f})"


def _ratio(data: Mapping[str, Any], name: str) -> float:
    return Spread(data["seconds"][name]).median / Spread(data["seconds"]["get"]).median


def _milliseconds(seconds: list[float]) -> str:
    return str(Spread([1000 * value for value in seconds]))
