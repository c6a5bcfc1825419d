"""Answers to GET and HEAD for a file, with ranges and conditions (RFC 9110, sections 13 and 14).

Where the RFC leaves a choice, the answers are those of nginx, except that a request for several ranges gets the whole
file.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

from kling_async.protocol.transfer import Body

METHODS: Final = ("GET", "HEAD")
"""Methods by which a file can be requested."""

_MOST: Final = 10**18
_RANGES: Final = re.compile(r"bytes=(.+)", re.IGNORECASE | re.DOTALL)
_RANGE: Final = re.compile(r"[ \t]*(?:([0-9]+)[ \t]*-[ \t]*([0-9]*)|-([0-9]+))[ \t]*")
_STRONG: Final = re.compile(r'"[!#-~]*"')
_OPAQUE: Final = re.compile(r'([^\s,"]*)("[^"]*")')
_TYPE: Final = re.compile(r"(?:video|audio|image)/(?!svg)[a-z0-9.+-]+")
_TYPES: Final = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
}


@attrs.frozen
class KnownFile:
    """What is known of a file before its bytes are sent.

    Attributes:
        type: its media type.
        length: in bytes; None if its host does not report it.
        etag: its strong ETag; None if there is none.
        modified: its `Last-Modified`, if that distinguishes two versions.
        in_parts: whether its host serves ranges of it.
    """

    type: str
    length: int | None = None
    etag: str | None = None
    modified: str | None = None
    in_parts: bool = False


@attrs.frozen
class RangeAnswer:
    """The answer to a request for a file.

    Attributes:
        status: 200, 206, 304, 412 or 416.
        headers: all headers.
        span: first byte of the body and the byte after its last, or None for the file's end; None if there is no body.
    """

    status: int
    headers: dict[str, str]
    span: tuple[int, int | None] | None = None


def named_type(headers: Mapping[str, str]) -> str | None:
    """Returns the media type that a host names, if it is that of a picture, a video or sound."""
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    # A page or a script of the host must not run in the origin of this server.
    return given if _TYPE.fullmatch(given) else None


def known_file(status: int, headers: Mapping[str, str], body: Body, suffix: str) -> KnownFile:
    """Returns what a host's answer to a request for the first byte reveals about the whole file.

    Args:
        status: 200 or 206.
        headers: names in lower case.
        body: the result of `transfer.classify` for them.
        suffix: of the file's name, such as `.mp4`; it determines the type if the host names none that is allowed.
    """
    media_type = named_type(headers) or _TYPES.get(suffix.lower(), "application/octet-stream")
    if body.encoding is not None:  # length and ETag are those of the packed file
        return KnownFile(media_type)
    etag, modified = body.etag or "", body.modified or ""
    return KnownFile(
        media_type,
        body.length,
        etag if _STRONG.fullmatch(etag) else None,
        modified if modified and modified.isascii() and modified.isprintable() else None,
        status == 206 and body.length is not None,  # whatever its `Accept-Ranges`
    )


def answer_for(method: str, headers: Mapping[str, str], file: KnownFile) -> RangeAnswer:
    """Returns the answer to a request.

    Args:
        method: GET or HEAD.
        headers: of the request; names in lower case.
        file: the requested file.
    """
    validators = {"ETag": file.etag, "Last-Modified": file.modified}
    common = {name: value for name, value in validators.items() if value is not None}
    if not _is_meant(headers, file):
        return RangeAnswer(412, {"Content-Length": "0", **common})
    if _is_had(headers, file):
        return RangeAnswer(304, common)
    if file.in_parts:
        common["Accept-Ranges"] = "bytes"
    described = {"Content-Type": file.type, "X-Content-Type-Options": "nosniff", **common}
    # RFC 9110, 14.2: ranges are defined for GET only.
    ranges = headers.get("range", "") if method == "GET" and _is_same(headers.get("if-range"), file) else ""
    if file.in_parts and file.length is not None and (requested := _RANGES.fullmatch(ranges)):
        spans = _spans(requested[1], file.length)
        if not spans:
            return RangeAnswer(416, {"Content-Range": f"bytes */{file.length}", "Content-Length": "0", **common})
        if len(spans) == 1 and spans[0] != (0, 0):
            first, end = spans[0]
            part = {"Content-Length": str(end - first), "Content-Range": f"bytes {first}-{end - 1}/{file.length}"}
            return RangeAnswer(206, {**described, **part}, (first, end))
    length = {} if file.length is None else {"Content-Length": str(file.length)}
    return RangeAnswer(200, {**described, **length}, (0, file.length) if method == "GET" else None)


def _is_meant(headers: Mapping[str, str], file: KnownFile) -> bool:
    """Whether the request's preconditions hold for this version of the file (RFC 9110, 13.2.2, steps 1 and 2)."""
    if (if_match := headers.get("if-match")) is not None:
        return if_match.strip() == "*" or ("", file.etag) in _OPAQUE.findall(if_match)
    since, modified = _date(headers.get("if-unmodified-since")), _date(file.modified)
    return since is None or modified is None or modified <= since


def _is_had(headers: Mapping[str, str], file: KnownFile) -> bool:
    """Whether the client has this version of the file already (steps 3 and 4)."""
    if (if_none_match := headers.get("if-none-match")) is not None:
        had = {etag for prefix, etag in _OPAQUE.findall(if_none_match) if prefix in {"", "W/"}}  # compared weakly
        return if_none_match.strip() == "*" or file.etag in had
    since, modified = _date(headers.get("if-modified-since")), _date(file.modified)
    return since is not None and modified is not None and modified <= since


def _date(text: str | None) -> datetime | None:
    """Parses an HTTP date; None for an invalid one, which is ignored."""
    try:
        date = parsedate_to_datetime(text or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _is_same(if_range: str | None, file: KnownFile) -> bool:
    """Whether the client's part is of this version of the file, by the strong comparison."""
    return if_range is None or if_range.strip() in {file.etag, file.modified}


def _spans(ranges: str, length: int) -> list[tuple[int, int]]:
    """Returns the satisfiable ranges as first byte and the byte after the last; none if any of them is malformed."""
    spans = []
    for text in ranges.split(","):
        matched = _RANGE.fullmatch(text)
        if matched is None:
            return []
        first, last, suffix = matched.groups()
        if suffix is None:
            begin, end = _number(first), min(_number(last) + 1, length) if last else length
        else:
            begin, end = max(length - _number(suffix), 0), length
        if begin < end or begin == end == 0:  # an empty file, requested from its beginning
            spans.append((begin, end))
    return spans


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 18 else _MOST
