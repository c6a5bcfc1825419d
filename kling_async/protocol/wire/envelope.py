"""Whose word an answer is: the service's envelope and its `data`, or the one error that it is."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from kling_async.protocol.error_codes import code_of, row_for
from kling_async.protocol.errors import BadResponse, KlingError
from kling_async.protocol.redaction import cut, service_text

LARGE_BYTES = 2**18
"""A body above this takes so long to read that it should not be read on an event loop."""


@attrs.frozen
class HttpResponse:
    """One answer.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        body: as it came.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


def data_of(response: HttpResponse) -> Any:
    """The `data` of the service's envelope.

    Raises:
        ApiError: the service said no; the class is that of the error table.
        BadResponse: the answer is not the service's.
    """
    # Errors come back as values: a frame that raised with the envelope in its locals would show what it echoes.
    opened = _opened(response)
    if isinstance(opened, KlingError):
        raise opened
    return opened


def _opened(response: HttpResponse) -> Any:
    """The envelope's `data`, or the error that the answer is.

    Only an envelope whose `code` is 0 or of the error table's families is the service's word. Gateways, proxies and
    login pages answer with any HTTP status, in HTML and in JSON of other shapes: that says nothing about a task.
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
    """The JSON object that a body is; empty where it is none."""
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
    # Cut before it is searched for secrets: a page may have any size.
    start = response.body[: 20 * EXCERPT].replace(b"\0", b"")  # in UTF-16 they stand between the letters of a secret
    text = service_text(start.decode("utf-8", "replace"), 2 * EXCERPT)
    text = cut(" ".join(text.split()), EXCERPT)
    what = ", ".join(word for word in words if word)
    message = f"{what}: {text}" if text else f"{what}, without a text"
    return BadResponse(message, code=code, http_status=response.status, foreign=True)


_TEXT_MEMBERS: Final = ("message", "msg", "error", "detail")


def reason_in(envelope: Mapping[str, Any], status: int) -> str:
    """The words in which an answer refuses."""
    return _error_text(envelope) or f"the service gave no reason (HTTP {status})"


def _error_text(envelope: Mapping[str, Any], depth: int = 3) -> str:
    """The reason that an error answer gives, wherever gateways between put it; also as JSON inside of a text."""
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
    """A body as JSON.

    Raises:
        BadResponse: it is none.
    """
    try:
        return _decoded(body)
    except (ValueError, RecursionError):
        raise BadResponse(f"{what} is not JSON ({len(body)} bytes)") from None


def _decoded(body: bytes) -> Any:
    # In a thread: between two objects others get the interpreter, which the decoder else keeps to its end.
    return json.loads(body, object_hook=_same if len(body) > LARGE_BYTES else None)


def _same(value: Any) -> Any:
    return value


@contextlib.contextmanager
def status_of(response: HttpResponse) -> Iterator[None]:
    """Adds what the envelope tells to the errors of reading its data."""
    try:
        yield
    except KlingError as error:
        error.http_status = response.status
        raise
