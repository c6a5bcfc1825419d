"""Decisions of a download: what to ask for, what an answer means, how long to go on, whether a file is whole."""

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
"""Bytes per second that a connection gives at least, over `LEAST_SECONDS`."""
LEAST_SECONDS: Final = 60.0
LEAST_BYTES: Final = int(LEAST_RATE * LEAST_SECONDS)
MOST_BYTES: Final = 2 * 2**30
"""The largest file taken whose host did not say how large it is."""


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
        video_id: of the video or other file; the same for every address it gets.
        length: of the whole file in bytes, where it is known.
        etag: of the entity, where there is one.
        modified: the `Last-Modified` of the entity, where it tells two entities apart.
    """

    video_id: str
    length: int | None = None
    etag: str | None = None
    modified: str | None = None

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
        return part if fits and isinstance(part.etag, str | None) and isinstance(part.modified, str | None) else None


@attrs.frozen
class Body:
    """A body to take.

    Attributes:
        offset: where in the file it begins.
        length: of the whole file in bytes, where the host said so.
        etag: of the entity, where the host said so.
        modified: the `Last-Modified` of the entity, where it tells two entities apart.
        encoding: how the body may be packed, although nobody asked for it.
    """

    offset: int
    length: int | None = None
    etag: str | None = None
    modified: str | None = None
    encoding: str | None = None

    def part_of(self, video_id: str) -> Part:
        """What its bytes are a part of."""
        return Part(video_id, self.length, self.etag, self.modified)


def range_headers(part: Part | None, offset: int) -> dict[str, str]:
    """Headers that ask for the rest of a file of which `offset` bytes are kept, provided it is still the same."""
    if part is None or offset == 0 or (validator := _validator(part)) is None:
        return {}  # nobody could tell that two halves belong together
    return {"Range": f"bytes={offset}-", "If-Range": validator}


def span_headers(part: Part, first: int, place: int, end: int) -> tuple[dict[str, str], int]:
    """Headers that ask for the rest of a span, and where that begins: at its first byte where nobody could tell.

    Args:
        part: what is known of the file.
        first: the first byte of the span.
        place: up to which the span is there.
        end: the byte after its last.
    """
    if place == 0 and end == part.length:
        return {}, 0
    validator = _validator(part)
    if validator is None:
        return {"Range": f"bytes={first}-{end - 1}"}, first
    return {"Range": f"bytes={place}-{end - 1}", "If-Range": validator}, place


def classify(status: int, headers: Mapping[str, str], part: Part | None, offset: int) -> Answer | Body:
    """Reads status and headers (names in lower case). What the bytes are is not their business.

    Raises:
        DownloadError: asking again will not help.
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
            # RFC 9112: with a transfer coding the length says nothing.
            total = None if "transfer-encoding" in headers else _number(headers.get("content-length"))
        return Body(0, total, etag, modified, encoding)
    if part is None or begin != offset or encoding is not None:
        return Answer.RESTART
    same = part.length in {None, total} and part.etag in {None, etag}
    if part.etag is None and part.modified != headers.get("last-modified", part.modified):
        same = False
    return Body(offset, total, etag, part.modified) if same else Answer.RESTART


def announced(status: int, headers: Mapping[str, str]) -> int | None:
    """How long the file is in bytes, by an answer to a request for what follows its end; None where it does not say."""
    if status in {206, 416}:
        return _content_range(headers.get("content-range", ""))[1]
    known = status == 200 and "transfer-encoding" not in headers and "content-encoding" not in headers
    return _number(headers.get("content-length")) if known else None


class End(enum.Enum):
    """How a body that ended cleanly leaves the file."""

    WHOLE = "all of it came, as far as its bytes tell"
    ODD = "all of it came, though it looks odd"
    SHORT = "all that was announced came, and ends too early by its bytes: ask whether there is more"
    CUT = "something is missing"


def judge_end(size: int, length: int | None, shape: Shape, *, again: bool) -> End:
    """Whether the file is all there: the host's word about its length counts for more than any guess at its structure.

    Args:
        size: of the file in bytes.
        length: that the host said, where it did.
        shape: by its bytes.
        again: whether the host stands by it: asked once more, it named no other length, or sent the same bytes.
    """
    if size == 0 or (length is not None and size != length):
        return End.CUT
    if shape is Shape.WHOLE or (shape is Shape.OPEN and (length is not None or again)):
        return End.WHOLE
    if length is not None:
        return End.SHORT if shape is Shape.CUT and not again else End.ODD
    return End.ODD if again else End.CUT


class Patience:
    """How long a download that breaks off again and again is gone on with.

    It begins anew with real progress only: where the best place ever reached is further by a hundredth of the file, or
    by what a minute at the least rate brings. So a download that moves goes on, and every download ends.

    Args:
        budget: seconds without progress.
        now: seconds of any clock.
        size: bytes that are there.
    """

    def __init__(self, budget: float, now: float, size: int) -> None:
        self._budget = budget
        self.ends_at = now + budget
        self._reached = size
        self._waited = 0.0
        self._received = 0
        self._slow = False

    def connected(self) -> None:
        """A connection begins to give bytes."""
        self._waited, self._received = 0.0, 0

    def came(self, seconds: float, count: int) -> bool:
        """So many bytes came, after so many seconds; False where that is too slow to go on with this connection."""
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
        """The connection broke off, or ended too early."""
        step = LEAST_BYTES if length is None else min(LEAST_BYTES, max(length // 100, 1))
        if size >= self._reached + step and not self._slow:
            self._reached = size
            self.ends_at = now + self._budget


def _validator(part: Part) -> str | None:
    """What tells the file from every other one: a strong ETag, else a date."""
    etag = part.etag if part.etag is not None and not part.etag.startswith("W/") else None
    return next((text for text in (etag, part.modified) if text is not None and _sendable(text)), None)


def _sendable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _tells_apart(headers: Mapping[str, str]) -> str | None:
    """The `Last-Modified`, where it is a strong validator (RFC 9110, 8.8.2.2): older than the answer by a second."""
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
    """`bytes 100-199/200` as (100, 200)."""
    unit, _, rest = text.strip().partition(" ")
    span, _, total = rest.partition("/")
    if unit.lower() != "bytes":
        return None, None
    return _number(span.partition("-")[0].strip()), _number(total.strip())
