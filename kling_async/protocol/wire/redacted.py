"""Parses answers and removes the client's secrets from them: the service or a gateway may echo a request."""

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from kling_async.protocol.errors import KlingError
from kling_async.protocol.redaction import SHORT, forms, redact
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.responses import Listed, Page

_T = TypeVar("_T")


def read_without(secrets: frozenset[str], read: Callable[[HttpResponse], _T], response: HttpResponse) -> _T:
    """Parses an answer; neither the messages of its tasks nor its errors contain the secrets.

    Raises:
        KlingError: as `read` does.
    """
    try:
        answer: Any = read(response)
    except KlingError as error:
        cleaned = _cleaned(response, secrets)
        raise _redacted((cleaned and _error_of(read, cleaned)) or error, secrets) from None
    found: _T = _without(secrets, answer)
    return found


def _error_of(read: Callable[[HttpResponse], Any], response: HttpResponse) -> KlingError | None:
    try:
        read(response)
    except KlingError as error:
        return error
    return None


def _redacted(error: KlingError, secrets: frozenset[str]) -> KlingError:
    error.message = redact(error.message, secrets)
    error.request_id = error.request_id and redact(error.request_id, secrets)
    error.args = (error.message,)  # its repr shows these
    return error


def _cleaned(response: HttpResponse, secrets: frozenset[str]) -> HttpResponse | None:
    """Returns the answer without the secrets in its bytes; None if it contains none.

    An error contains the beginning of a text, which may end within a secret: that part would not be recognised later.
    """
    body = response.body
    known = {form for secret in secrets if len(secret) >= SHORT for form in forms(secret)}
    for form in sorted(known, key=len, reverse=True):  # longest first: a token before a key that is a part of it
        body = body.replace(form.encode("utf-8", "replace"), "…".encode())
    headers = {name: redact(value, secrets) for name, value in response.headers.items()}
    cleaned = attrs.evolve(response, body=body, headers=headers)
    return cleaned if cleaned != response else None


def _without(secrets: frozenset[str], answer: Any) -> Any:
    match answer:
        case Task(status_msg=str() as text) if text and (shown := redact(text, secrets)) != text:
            return attrs.evolve(answer, status_msg=shown)
        case Page(length, tasks, cursor):
            return Page(length, [_without(secrets, one) for one in tasks], cursor)
        case Listed(length, changes, cursor):
            redacted = {place: (task_id, _without(secrets, task)) for place, (task_id, task) in changes.items()}
            return Listed(length, redacted, cursor)
        case dict() if all(isinstance(one, Task | KlingError) for one in answer.values()):
            return {name: _without(secrets, one) for name, one in answer.items()}
        case KlingError():
            return _redacted(answer, secrets)
        case _:
            pass
    return answer
