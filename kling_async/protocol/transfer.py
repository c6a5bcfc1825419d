"""Decisions of a download: what to request, what an answer means, how long to continue, whether a file is complete."""

import enum
import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Self

import attrs

from kling_async.protocol import content_encoding
from kling_async.protocol.errors import DownloadError
from kling_async.protocol.media.shape import Shape

LEAST_RATE: Final = 1024.0
"""Minimum rate of a connection in bytes per second, over `LEAST_SECONDS`."""
LEAST_SECONDS: Final = 60.0
LEAST_BYTES: Final = int(LEAST_RATE * LEAST_SECONDS)
MOST_BYTES: Final = 2 * 2**30
"""Maximum size in bytes of a file whose host does not report its length."""


class Answer(enum.Enum):
    """The meaning of a file host's answer that is not a `Body`."""

    RESTART = "the kept bytes do not fit: start again"
    WHOLE = "the file is complete already"
    EXPIRED = "get a new address from the service"
    BUSY = "try again later"


@attrs.frozen
class Part:
    """Data stored next to a partly downloaded file, so that another process can continue the download.

    Attributes:
        video_id: of the video or other file; the same for every address of it.
        length: of the whole file in bytes; None if it is not known.
        etag: of the entity; None if there is none.
        modified: the `Last-Modified` of the entity; None unless it distinguishes two entities.
    """

    video_id: str
    length: int | None = None
    etag: str | None = None
    modified: str | None = None

    def to_json(self) -> bytes:
        """Returns the contents of `NAME.part.json`."""
        return json.dumps(attrs.asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self | None:
        """Parses the contents of `NAME.part.json`; returns None for anything else."""
        try:
            part = cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        fits = isinstance(part.video_id, str) and isinstance(part.length, int | None)
        return part if fits and isinstance(part.etag, str | None) and isinstance(part.modified, str | None) else None


@attrs.frozen
class Body:
    """A body to write to the file.

    Attributes:
        offset: its place in the file.
        length: of the whole file in bytes; None if the host does not report it.
        etag: of the entity; None if the host does not report it.
        modified: the `Last-Modified` of the entity; None unless it distinguishes two entities.
        encoding: the `Content-Encoding` that the body may have, although none was requested.
    """

    offset: int
    length: int | None = None
    etag: str | None = None
    modified: str | None = None
    encoding: str | None = None

    def part_of(self, video_id: str) -> Part:
        """Returns the `Part` for its bytes."""
        return Part(video_id, self.length, self.etag, self.modified)


def range_headers(part: Part | None, offset: int) -> dict[str, str]:
    """Returns headers that request the rest of a file of which `offset` bytes are kept, provided it is unchanged."""
    if part is None or offset == 0 or (validator := _validator(part)) is None:
        return {}  # nothing would show whether the two halves belong together
    return {"Range": f"bytes={offset}-", "If-Range": validator}


def span_headers(part: Part, first: int, place: int, end: int) -> tuple[dict[str, str], int]:
    """Returns headers that request the rest of a span, and its first byte.

    Without a validator the whole span is requested, since the halves might not belong together.

    Args:
        part: what is known about the file.
        first: the first byte of the span.
        place: the first byte that is still missing.
        end: the byte after its last.
    """
    if place == 0 and end == part.length:
        return {}, 0
    validator = _validator(part)
    if validator is None:
        return {"Range": f"bytes={first}-{end - 1}"}, first
    return {"Range": f"bytes={place}-{end - 1}", "If-Range": validator}, place


def classify(status: int, headers: Mapping[str, str], part: Part | None, offset: int) -> Answer | Body:
    """Classifies an answer by its status and headers (names in lower case), without its bytes.

    Raises:
        DownloadError: a repetition would not help.
    """
    if status in {400, 401, 403, 404, 410}:
        return Answer.EXPIRED
    if status in {202, 204, 205, 408, 425, 429} or status >= 500:
        return Answer.BUSY
    begin, total = _content_range(headers.get("content-range", ""))
    if status == 416:
        known = total if total is not None or part is None else part.length
        return Answer.WHOLE if part is not None and 0 < offset == known else Answer.RESTART
    if not 200 <= status < 300:
        raise DownloadError(f"the file host answered HTTP {status}", http_status=status)
    etag, modified = headers.get("etag"), _tells_apart(headers)
    encoding = content_encoding.named(headers.get("content-encoding", ""))
    if status != 206 or begin == 0:
        if status != 206:
            # RFC 9112: with a transfer coding the length is meaningless.
            total = None if "transfer-encoding" in headers else _number(headers.get("content-length"))
        return Body(0, total, etag, modified, encoding)
    if part is None or begin != offset or encoding is not None:
        return Answer.RESTART
    same = part.length in {None, total} and part.etag in {None, etag}
    if part.etag is None and part.modified != headers.get("last-modified", part.modified):
        same = False
    return Body(offset, total, etag, part.modified) if same else Answer.RESTART


def announced(status: int, headers: Mapping[str, str]) -> int | None:
    """Returns the file's length in bytes from the answer to a request beyond its end; None if it contains none."""
    if status in {206, 416}:
        return _content_range(headers.get("content-range", ""))[1]
    known = status == 200 and "transfer-encoding" not in headers and "content-encoding" not in headers
    return _number(headers.get("content-length")) if known else None


class End(enum.Enum):
    """The state of the file after a body that ended cleanly."""

    WHOLE = "complete, as far as its bytes show"
    ODD = "complete, but its structure is unusual"
    SHORT = "of the announced length, but incomplete by its bytes: check whether there is more"
    CUT = "incomplete"


def judge_end(size: int, length: int | None, shape: Shape, *, again: bool) -> End:
    """Returns whether the file is complete: the length that the host reports has priority over its structure.

    Args:
        size: of the file in bytes.
        length: that the host reported; None if it did not.
        shape: its structure.
        again: whether the host confirmed it: a second request gave no other length, or the same bytes.
    """
    if size == 0 or (length is not None and size != length):
        return End.CUT
    if shape is Shape.WHOLE or (shape is Shape.OPEN and (length is not None or again)):
        return End.WHOLE
    if length is not None:
        return End.SHORT if shape is Shape.CUT and not again else End.ODD
    return End.ODD if again else End.CUT


class Patience:
    """Decides how long a download that breaks off repeatedly is continued.

    Only real progress restarts the time: the furthest point ever reached must have moved by a hundredth of the file, or
    by the bytes of a minute at the minimum rate. So a download that progresses continues, and every download ends.

    Args:
        budget: seconds without progress.
        now: seconds of any clock.
        size: number of bytes present.
    """

    def __init__(self, budget: float, now: float, size: int) -> None:
        self._budget = budget
        self.ends_at = now + budget
        self._reached = size
        self._waited = 0.0
        self._received = 0
        self._slow = False

    def connected(self) -> None:
        """Records that a connection begins to deliver bytes."""
        self._waited, self._received = 0.0, 0

    def came(self, seconds: float, count: int) -> bool:
        """Records `count` bytes received after `seconds`; returns False if the connection is too slow to continue."""
        self._waited += seconds
        self._received += count
        late = self._waited >= LEAST_SECONDS
        if self._received >= LEAST_BYTES:
            self._slow = late
            self._waited, self._received = 0.0, 0
        elif late:
            self._slow = True
            return False
        return True

    def broke(self, now: float, size: int, length: int | None) -> None:
        """Records that the connection broke off, or ended too early."""
        step = LEAST_BYTES if length is None else min(LEAST_BYTES, max(length // 100, 1))
        if size >= self._reached + step and not self._slow:
            self._reached = size
            self.ends_at = now + self._budget


def _validator(part: Part) -> str | None:
    """Returns the validator that identifies the file: a strong ETag, otherwise a date."""
    etag = part.etag if part.etag is not None and not part.etag.startswith("W/") else None
    return next((text for text in (etag, part.modified) if text is not None and _sendable(text)), None)


def _sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _tells_apart(headers: Mapping[str, str]) -> str | None:
    """Returns the `Last-Modified` if it is a strong validator (RFC 9110, 8.8.2.2): a second older than the answer."""
    text = headers.get("last-modified")
    if text is None:
        return None
    try:
        age = parsedate_to_datetime(headers.get("date", "")) - parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # no date, or one with a zone and one without
        return None
    return text if age.total_seconds() >= 1 else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def _content_range(text: str) -> tuple[int | None, int | None]:
    """Parses `bytes 100-199/200` as (100, 200)."""
    unit, _, rest = text.strip().partition(" ")
    span, _, total = rest.partition("/")
    if unit.lower() != "bytes":
        return None, None
    return _number(span.partition("-")[0].strip()), _number(total.strip())
