"""Answers without our secrets in their words: a service or a gateway may say back what it was sent."""

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from kling_async.protocol.errors import KlingError
from kling_async.protocol.models import Task
from kling_async.protocol.responses import HttpResponse, Listed
from kling_async.protocol.text import redact

_T = TypeVar("_T")


def read_without(secrets: frozenset[str], read: Callable[[HttpResponse], _T], response: HttpResponse) -> _T:
    """Reads an answer; neither its tasks' messages nor its errors show the secrets.

    Raises:
        KlingError: as `read` does.
    """
    try:
        answer: Any = read(response)
    except KlingError as error:
        error.message = redact(error.message, secrets)
        error.request_id = error.request_id and redact(error.request_id, secrets)
        error.args = (error.message,)  # which is what its repr shows
        raise
    found: _T = _without(secrets, answer)
    return found


def _without(secrets: frozenset[str], answer: Any) -> Any:
    match answer:
        case Task(status_msg=str() as text) if text and (shown := redact(text, secrets)) != text:
            return attrs.evolve(answer, status_msg=shown)
        case list():
            return [_without(secrets, one) for one in answer]
        case Listed(length, news):
            return Listed(length, {place: (whose, _without(secrets, one)) for place, (whose, one) in news.items()})
        case KlingError():
            answer.message = redact(answer.message, secrets)
            answer.args = (answer.message,)
        case _:
            pass
    return answer
