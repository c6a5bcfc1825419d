"""Downloads for clients that have none: pieces of 1 MiB, `.part`, fsync, rename, all off the loop."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

PIECE: Final = 2**20


async def save(chunks: AsyncIterator[bytes], path: Path, length: int) -> None:
    """Writes the chunks to the path; the file is whole, or not there.

    Args:
        chunks: As received from the network.
        path: Of the file.
        length: From the host's response.
    """
    part = path.with_name(path.name + ".part")
    written = gathered = 0
    pieces: list[bytes] = []
    async for chunk in chunks:
        pieces.append(chunk)
        gathered += len(chunk)
        if gathered >= PIECE and written + gathered < length:
            await asyncio.to_thread(_write, part, pieces, written)
            written += gathered
            pieces, gathered = [], 0
    if written + gathered != length:
        raise OSError(f"{written + gathered} of {length} bytes came")
    await asyncio.to_thread(_finish, part, pieces, written, path)


async def download(client: Any, url: str, path: Path) -> None:
    """Saves an address with a client whose API is that of httpx."""
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        await save(response.aiter_bytes(), path, int(response.headers["Content-Length"]))


def _write(part: Path, pieces: list[bytes], written: int) -> None:
    with part.open("ab" if written else "wb") as file:
        file.write(b"".join(pieces))


def _finish(part: Path, pieces: list[bytes], written: int, path: Path) -> None:
    with part.open("ab" if written else "wb") as file:
        file.write(b"".join(pieces))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
