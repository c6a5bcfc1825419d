"""Where the file of a key goes."""

from os import PathLike
from pathlib import Path

from kling_async.io.target import absolute, is_directory_name, shown
from kling_async.io.threads import in_thread
from kling_async.journal.names import file_name
from kling_async.protocol.errors import TargetError
from kling_async.protocol.result_kind import ResultKind


async def named(path: str | PathLike[str], key: str | None, kind: ResultKind, *, several: bool) -> str:
    """The place for what is made under a key: in a directory the file is called after the key.

    Args:
        path: a file or a directory; made where it ends in a separator and there is none.
        key: of the work; None for none, and then the place is as it was given.
        kind: what is made.
        several: whether several files are: these are called after their task.

    Raises:
        TargetError: it is no path, or cannot be made.
    """
    text = absolute(path)
    if key is None or several or not (is_directory_name(text) or await in_thread(Path(text).is_dir)):
        return text
    if is_directory_name(text):
        await in_thread(_make, text)
    return str(Path(text) / f"{file_name(key)}{kind.suffix}")


def _make(text: str) -> None:
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"{shown(path)} cannot be made: {error.strerror}") from None
    except ValueError:
        raise TargetError(f"{text!r} is no path to save to: it holds what no file name can") from None
