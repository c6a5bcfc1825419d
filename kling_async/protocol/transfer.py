"""Decisions of a download: what to ask for, what an answer means, whether a file is whole."""

import enum
import json
from collections.abc import Callable, Mapping
from typing import Final, Self

import attrs

from kling_async.protocol.errors import DownloadError

FIRST_BOX_BYTES: Final = 8
"""Bytes that show the first box of an MP4: a length and `ftyp`."""
BOX_BYTES: Final = 16
"""The longest head of a box."""
_NEEDED: Final = frozenset({b"ftyp", b"moov", b"mdat"})


class Answer(enum.Enum):
    """What the file host's answer means, if it is no `Body`."""

    RESTART = "what is kept does not fit: begin anew"
    WHOLE = "all of it is there already"
    EXPIRED = "ask the service for a new address"
    BUSY = "try again later"


@attrs.frozen
class Part:
    """What is kept beside a partly written file, so that another process can go on.

    Attributes:
        video_id: of the video; the same for every address it gets.
        length: of the whole file in bytes, where it is known.
        etag: of the entity, where there is one.
    """

    video_id: str
    length: int | None = None
    etag: str | None = None

    def to_json(self) -> bytes:
        """As written to `NAME.part.json`."""
        return json.dumps(attrs.asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self | None:
        """Reads it back; None for anything else."""
        try:
            part = cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        fits = isinstance(part.video_id, str) and isinstance(part.length, int | None)
        return part if fits and isinstance(part.etag, str | None) else None


@attrs.frozen
class Body:
    """A body to take.

    Attributes:
        offset: where in the file it begins.
        length: of the whole file in bytes, where the host said so.
        etag: of the entity, where the host said so.
    """

    offset: int
    length: int | None
    etag: str | None


def range_headers(part: Part | None, offset: int) -> dict[str, str]:
    """Headers that ask for the rest of a file of which `offset` bytes are kept, provided it is still the same."""
    if part is None or offset == 0 or part.etag is None or part.etag.startswith("W/"):
        return {}  # without a strong ETag nobody could tell that two halves belong together
    if not (part.etag.isascii() and part.etag.isprintable()):
        return {}  # no header can carry it
    return {"Range": f"bytes={offset}-", "If-Range": part.etag}


def judge(status: int, headers: Mapping[str, str], part: Part | None, offset: int) -> Answer | Body:
    """Reads status and headers (names in lower case).

    Raises:
        DownloadError: it is no video, and asking again will not help.
    """
    if status in {401, 403, 404, 410}:
        return Answer.EXPIRED
    if status in {408, 425, 429} or status >= 500:
        return Answer.BUSY
    if status == 416:
        return Answer.WHOLE if part is not None and part.length == offset else Answer.RESTART
    if status not in {200, 206}:
        raise DownloadError(f"the file host answered HTTP {status}", http_status=status)
    refuse_kind(headers.get("content-type", ""))
    etag = headers.get("etag")
    length = _number(headers.get("content-length"))
    if "content-encoding" in headers:
        length = None
    if status == 200:
        return Body(0, length, etag)
    begin, total = _content_range(headers.get("content-range", ""))
    same = part is not None and part.length in {None, total} and part.etag in {None, etag}
    return Body(offset, total, etag) if begin == offset and same else Answer.RESTART


def refuse_kind(content_type: str) -> None:
    """Refuses what is no video by its type.

    Raises:
        DownloadError: a page, a message or a listing came instead.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind.endswith(("json", "xml", "javascript")):
        raise DownloadError(f"the file host sent {kind[:40]} instead of a video")


def refuse_start(head: bytes) -> None:
    """Refuses what does not begin as an MP4 does: with the box `ftyp`.

    Raises:
        DownloadError: it is something else.
    """
    if len(head) >= FIRST_BOX_BYTES and head[4:8] != b"ftyp":
        raise DownloadError("what the file host sent is no MP4: it does not begin with an 'ftyp' box")


def is_whole(size: int, length: int | None, read: Callable[[int, int], bytes]) -> bool:
    """Whether a file is complete: by the length the host said, and by its boxes, which must fill it exactly.

    Each of the three that make a video must be there: a file may end between two boxes by chance.

    Args:
        size: of the file in bytes.
        length: that the host said, where it did.
        read: `(offset, count)` to bytes of the file.
    """
    if length is not None and size != length:
        return False
    boxes, offset = Boxes(), 0
    while offset < size:
        head = read(offset, BOX_BYTES)
        if not head:
            return False
        boxes.take(head)
        offset += len(head)
        offset += boxes.skip(size - offset)
    return boxes.whole()


class Boxes:
    """Follows the boxes of an MP4 whose bytes come one after the other; it need not see those inside of them."""

    def __init__(self) -> None:
        self._head = b""
        self._left: float = 0
        self._kinds: set[bytes] = set()
        self._broken = False

    def take(self, chunk: bytes) -> None:
        """Takes the bytes that come next."""
        while chunk and not self._broken:
            if self._left:
                passed = int(min(self._left, len(chunk)))
                self._left -= passed
            else:
                wanted = 16 if self._head[:4] == b"\0\0\0\1" and len(self._head) >= 8 else 8
                passed = min(wanted - len(self._head), len(chunk))
                self._head += chunk[:passed]
                self._enter()
            chunk = chunk[passed:]

    def skip(self, count: int) -> int:
        """Passes over up to `count` bytes that are in no box's head, and tells how many."""
        if self._broken:
            return count
        passed = int(min(self._left, count))
        self._left -= passed
        return passed

    def whole(self) -> bool:
        """Whether a video may end here: as `is_whole`."""
        ended = not self._head and self._left in {0, float("inf")}
        return ended and not self._broken and self._kinds >= _NEEDED

    def _enter(self) -> None:
        """Goes into a box once its head is there: 8 bytes, or 16 with a long length."""
        have, box = len(self._head), int.from_bytes(self._head[:4])
        if have < 8 or (box == 1 and have < 16):
            return
        if box == 1:
            box = int.from_bytes(self._head[8:])
        self._kinds.add(self._head[4:8])
        self._left = box - have if box else float("inf")  # 0: "to the end of the file"
        self._broken = self._left < 0
        self._head = b""


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def _content_range(text: str) -> tuple[int | None, int | None]:
    """`bytes 100-199/200` as (100, 200)."""
    unit, _, rest = text.strip().partition(" ")
    span, _, total = rest.partition("/")
    if unit.lower() != "bytes":
        return None, None
    return _number(span.partition("-")[0].strip()), _number(total.strip())
