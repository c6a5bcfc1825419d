import json
from collections.abc import Callable
from typing import Any

import pytest

from kling_async import ApiError, KlingError
from kling_async.protocol.auth import ApiKey, KeyPair, Token, TokenCache
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.envelope import HttpResponse
from kling_async.protocol.wire.redacted import read_without

KEY = "sk-12"
SECRETS = TokenCache(ApiKey(KEY)).secrets(Token(KEY))


def body(status: int = 200, **envelope: Any) -> HttpResponse:
    """An answer with this envelope."""
    return HttpResponse(status, body=json.dumps({"code": 0, **envelope}).encode())


def failed(status: str = "failed") -> dict[str, str]:
    """A task whose message contains the key."""
    return {"task_id": "1", "task_status": status, "task_status_msg": f"unknown key {KEY}"}


def task(response: HttpResponse) -> Task:
    """Reads one task."""
    return responses.task(response, "image2video", "1")


def test_an_error_does_not_say_a_key_back() -> None:
    """Neither its text, nor its repr, nor its request id."""
    refusal = body(401, code=1002, message=f"unknown key {KEY}", request_id=f"r {KEY}")
    with pytest.raises(ApiError, match="unknown key …") as caught:
        read_without(SECRETS, task, refusal)
    assert KEY not in str(caught.value) + repr(caught.value) + repr(caught.value.args)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (task, failed()),
        (lambda response: responses.tasks(response, "image2video").tasks[0], [failed()]),
        (
            lambda response: responses.listed(response, "image2video", lambda _: TaskStatus.SUBMITTED).changes[0][1],
            [failed()],
        ),
    ],
    ids=["one", "a page", "of a page"],
)
def test_a_task_does_not_repeat_a_key(read: Callable[[HttpResponse], Any], data: Any) -> None:
    """However it came."""
    assert read_without(SECRETS, read, body(data=data)).status_msg == "unknown key …"


def test_an_unknown_status_does_not_say_a_key_back() -> None:
    """An error that a page carries as a value is an error all the same."""

    def changes(response: HttpResponse) -> Any:
        return responses.listed(response, "image2video", lambda _: TaskStatus.SUBMITTED).changes[0][1]

    found = read_without(SECRETS, changes, body(data=[failed(KEY)]))
    assert isinstance(found, KlingError)
    assert KEY not in str(found) + repr(found)


def test_what_is_no_text_stays() -> None:
    """A short key may be a part of an id or of an address: those are data."""
    answer = {
        "task_id": KEY,
        "task_status": "succeed",
        "task_result": {"videos": [{"id": "1", "url": f"https://h/{KEY}"}]},
    }
    found = read_without(SECRETS, task, body(data=answer))
    assert (found.task_id, found.videos[0].url) == (KEY, f"https://h/{KEY}")


def test_secrets_are_the_keys_and_the_token() -> None:
    """All of them, and none shows."""
    secrets = TokenCache(KeyPair("access", "secret")).secrets(Token("token"))
    assert secrets == {"access", "secret", "token"}
    assert "access" not in repr(secrets)


@pytest.mark.parametrize(
    ("encoding", "wide"), [("utf-8", ""), ("utf-8", "x" * 60), ("utf-16", ""), ("utf-16-be", ""), ("utf-32", "")]
)
def test_a_key_is_found_in_any_page(encoding: str, wide: str) -> None:
    """However its letters are encoded, and whatever precedes it directly."""
    key = 'odd"key(0123456789'
    page = HttpResponse(404, {"location": f"/{wide}{key}"}, f"<p>{wide}{key}</p>".encode(encoding))
    refused = HttpResponse(400, {}, json.dumps({"code": 1201, "message": f"{wide}{key}"}).encode(encoding))
    for came in (page, refused):
        with pytest.raises(KlingError) as caught:
            read_without(frozenset({key}), task, came)
        assert "789" not in str(caught.value).replace(" ", "")


def test_a_text_that_is_cut_does_not_end_in_half_a_key() -> None:
    """What an error shows of a page is cut after the key was taken out of it."""
    page = HttpResponse(404, body=b"x " * 97 + KEY.encode() + b" y")
    with pytest.raises(KlingError) as caught:
        read_without(SECRETS, task, page)
    assert KEY[:4] not in str(caught.value)
