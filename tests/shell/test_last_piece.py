"""The last piece of a file is written together with its publication."""

import asyncio
from pathlib import Path

from kling_async.io.directory_sync import DirectorySync
from kling_async.io.part_file import PartFile
from kling_async.io.sinks import PIECE, FileSink
from kling_async.io.threads import enter, leave
from kling_async.protocol.transfer import Body


async def test_the_last_piece_has_no_separate_write(tmp_path: Path) -> None:
    """A last piece of any size has no separate write: a file of one piece needs no note."""
    loop = asyncio.get_running_loop()
    enter(loop)
    file = PartFile(tmp_path / "video.mp4", "label", DirectorySync())
    file.open(overwrite=False)
    sink = FileSink(file)
    try:
        await sink.begin(Body(0, 2 * PIECE))
        await sink.take(bytes(PIECE))
        assert sink._writing is not None
        await sink.take(bytes(PIECE))
        assert sink._gathered == PIECE
        await sink.flush()
        assert file.path.stat().st_size == 2 * PIECE
    finally:
        file.close()
        leave(loop)
