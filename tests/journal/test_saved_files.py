import hashlib
import json

import pytest

from kling_async.journal import saved_files
from kling_async.journal.entry import SavedFile

DIGEST = hashlib.sha256(b"a video").hexdigest()
FILES = [
    SavedFile("/out/cat.mp4", 1_392_094, DIGEST),
    SavedFile("/out/cat-watermark.mp4", 1, DIGEST, watermark=True),
    SavedFile("/elsewhere/ü.png", 0, DIGEST),
]


@pytest.mark.parametrize("target", ["/out/cat.mp4", "/out", None])
def test_files_are_read_as_they_were_written(target: str | None) -> None:
    """Files are read back, whether or not a path is the target of the entry; without text there are no files."""
    text = json.dumps(saved_files.shortened(FILES, target))
    assert saved_files.from_text(text, target) == tuple(FILES)
    assert saved_files.from_text(None, target) == ()


def test_the_target_is_not_written_twice() -> None:
    """A path that is the target of the entry is omitted, and a file's digest takes 44 characters."""
    [[path, size, digest]] = saved_files.shortened(FILES[:1], "/out/cat.mp4")
    assert (path, size, len(digest)) == ("", 1_392_094, 44)
