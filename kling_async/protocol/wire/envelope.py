"""Opens an answer: returns the `data` of the service's envelope, or raises the one error that the answer means."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from kling_async.protocol.error_codes import code_of, row_for
from kling_async.protocol.errors import BadResponse, KlingError
from kling_async.protocol.redaction import cut, service_text

LARGE_BYTES = 2**18
"""Bytes above which parsing a body takes too long for an event loop."""


@attrs.frozen
class HttpResponse:
    """One answer.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
        body: as received.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


def data_of(response: HttpResponse) -> Any:
    """Returns the `data` of the service's envelope.

    Raises:
        ApiError: the service answered with an error; the class is that of the error table.
        BadResponse: the answer is not the service's.
    """
    # `_opened` returns errors: a raising frame with the envelope in its locals would expose the secrets it echoes.
    opened = _opened(response)
    if isinstance(opened, KlingError):
        raise opened
    return opened


def _opened(response: HttpResponse) -> Any:
    """Returns the envelope's `data`, or the error that the answer means.

    Only an envelope whose `code` is 0 or of the error table's families comes from the service. Gateways, proxies and
    login pages answer with any HTTP status, in HTML or in other JSON: that proves nothing about a task.
    """
    envelope = envelope_of(response.body)
    code = code_of(envelope.get("code"))
    if code == 0 and 200 <= response.status < 300 and "data" in envelope:
        return envelope["data"]
    text = reason_in(envelope, response.status)
    row = row_for(code, text)
    if code is None or row is None:
        return _not_the_services(response, code)
    return row.error(
        f"{text}: {row.hint}" if row.hint else text,
        remedy=row.remedy,
        code=code,
        http_status=response.status,
        request_id=service_text(envelope.get("request_id"), limit=64) or None,
    )


def envelope_of(body: bytes) -> Mapping[str, Any]:
    """Parses a body as a JSON object; returns an empty one if it is not."""
    try:
        value = _decoded(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, Mapping) else {}


EXCERPT: Final = 200
"""Characters of a foreign answer that its error shows."""


def _not_the_services(response: HttpResponse, code: int | None) -> BadResponse:
    target = service_text(response.headers.get("location", ""), 100)
    words = [
        f"HTTP {response.status}, not as the service answers",
        f"redirecting to {target}" if target else "",
        f"code {code}" if code is not None else "",
        service_text(response.headers.get("content-type", ""), 40),
    ]
    # Cut before it is searched for secrets, since a page may have any size.
    start = response.body[: 20 * EXCERPT].replace(b"\0", b"")  # in UTF-16, NULs separate the letters of a secret
    text = service_text(start.decode("utf-8", "replace"), 2 * EXCERPT)
    text = cut(" ".join(text.split()), EXCERPT)
    what = ", ".join(word for word in words if word)
    message = f"{what}: {text}" if text else f"{what}, without a text"
    return BadResponse(message, code=code, http_status=response.status, foreign=True)


_TEXT_MEMBERS: Final = ("message", "msg", "error", "detail")


def reason_in(envelope: Mapping[str, Any], status: int) -> str:
    """Returns the reason in an error answer."""
    return _error_text(envelope) or f"the service gave no reason (HTTP {status})"


def _error_text(envelope: Mapping[str, Any], depth: int = 3) -> str:
    """Finds the reason in an error answer, in any member where gateways put it, also in JSON within a text."""
    for name in _TEXT_MEMBERS:
        value = envelope.get(name)
        if isinstance(value, str) and value.lstrip()[:1] == "{" and depth:
            inner = envelope_of(value[:4096].encode("utf-8", "replace"))
            value = _error_text(inner, depth - 1) or value
        elif isinstance(value, Mapping) and depth:
            value = _error_text(value, depth - 1)
        if text := service_text(value):
            return text
    return ""


def json_of(body: bytes, what: str) -> Any:
    """Parses a body as JSON.

    Raises:
        BadResponse: it is not JSON.
    """
    try:
        return _decoded(body)
    except (ValueError, RecursionError):
        raise BadResponse(f"{what} is not JSON ({len(body)} bytes)") from None


def _decoded(body: bytes) -> Any:
    # Large bodies are parsed in a thread: the hook lets other threads run, while the plain decoder holds the GIL.
    return json.loads(body, object_hook=_same if len(body) > LARGE_BYTES else None)


def _same(value: Any) -> Any:
    return value


@contextlib.contextmanager
def status_of(response: HttpResponse) -> Iterator[None]:
    """Adds the HTTP status to errors that are raised while the data is parsed."""
    try:
        yield
    except KlingError as error:
        error.http_status = response.status
        raise
