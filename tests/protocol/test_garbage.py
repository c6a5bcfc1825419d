"""Any response becomes a record or a typed error, which can be printed, stored and pickled."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_async.protocol.catalog import all_calls
from kling_async.protocol.endpoints import IdentifyFaces
from kling_async.protocol.errors import KlingError, UnexpectedAnswer
from kling_async.protocol.lifecycle import classify
from kling_async.protocol.reference import Reference
from kling_async.protocol.result_files import files_for, files_of
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.codec import task_from_wire
from kling_async.protocol.wire.envelope import HttpResponse
from tests.repeatable import pickled

from .recorded_bodies import OTHERS, RECORDED

STATUSES = st.sampled_from([100, 200, 200, 200, 204, 206, 301, 400, 401, 404, 408, 429, 500, 502, 504, 599])
HEADER_TEXT = st.text(st.characters(max_codepoint=0xDCFF), max_size=20)
HEADERS = st.dictionaries(st.sampled_from(["content-type", "date", "x"]), HEADER_TEXT)
CALLS = list(all_calls())
BODIES: list[Any] = [entry["body"] for entry in (*RECORDED.values(), *OTHERS.values())]
NUMBERS = [1e999, -1e999, 10**400, 10**4000, -(10**18), 2**63, 1303, 5000, 1e-320, 0, -0.0]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        ["\ud800", "\udfff\ud800", "a\x00\n", "https://h/a", "video", "unit", "1e999999", "sNaN", ".", "x" * 999]
    ),
)
NAMES = st.sampled_from(
    ["code", "data", "message", "task_id", "id", "status", "videos", "url", "outputs", "amount", "", "images", "audios"]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
LIMITS = settings(max_examples=120, deadline=None)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all nodes of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, item in inner for place in places(item, (*way, key)))]


def with_replaced(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """The value with another node at this path."""
    if not way:
        return new
    twin = copy.copy(value)
    twin[way[0]] = with_replaced(value[way[0]], way[1:], new)
    return twin


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A recorded body with one to three nodes replaced by random JSON."""
    body: Any = draw(st.sampled_from(BODIES))
    for _ in range(draw(st.integers(1, 3))):
        body = with_replaced(body, draw(st.sampled_from(places(body))), draw(VALUES))
    return body


@st.composite
def truncated(draw: st.DrawFn) -> bytes:
    """The beginning of a recorded body."""
    text = json.dumps(draw(st.sampled_from(BODIES))).encode()
    return text[: draw(st.integers(0, len(text) - 1))]


def check_shown(result: Task | KlingError) -> None:
    """A result can be printed, encoded and pickled, and is equal afterwards."""
    twin = pickled(result)
    assert repr(result).encode() == repr(twin).encode()
    assert str(result).encode() == str(twin).encode()
    if isinstance(result, Task):
        assert result == twin
        check_task(result)
    else:
        assert type(result) is type(twin)
        assert len(str(result)) < 2000
        assert str(result).isprintable()


def check_task(task: Task) -> None:
    """A task can be referenced, stored and followed."""
    assert Reference.parse(task.reference).endpoint == "image2video"
    for text in (task.task_id, task.external_task_id or "", task.status_msg, *(video.id for video in task.videos)):
        assert text.isprintable()
        assert text.encode("utf-8").decode() == text
    for video in task.videos:
        assert video.url or video.watermark_url
        assert video.url.encode("utf-8").decode() == video.url.strip()
    for voice in task.voices:
        assert voice.voice_id
        assert (voice.voice_id + voice.voice_name + voice.owned_by + voice.status).isprintable()
    for element in task.elements:
        assert type(element.element_id) is int
        assert (element.element_name + element.element_description + element.status).isprintable()
    for file in (*files_of(task), *files_for(task, ".wav")):
        assert file.url or file.watermark_url
        assert file.url.encode("utf-8").decode() == file.url.strip()
        assert file.name(task.task_id, watermark=True).isprintable()
    amounts = [task.final_unit_deduction, *(video.duration for video in task.videos)]
    amounts += [seconds for audio in task.audios for seconds in (audio.duration, audio.duration_wav)]
    assert all(len(f"{amount:f}") < 99_999 for amount in amounts if amount is not None)
    verdict = classify(None, task, age=0, reference="image2video:1")
    assert isinstance(verdict.end, Task | KlingError | None)


def check_answer(response: HttpResponse) -> None:
    """Every parser returns a record, a list of them, or a number, or raises a typed error."""
    readers: list[Callable[[], Task | list[Task]]] = [
        lambda: responses.task(response, "image2video", "8"),
        lambda: responses.created(response, "image2video", "8"),
        lambda: responses.tasks(response, "image2video").tasks,
        lambda: responses.callback(response.body, "image2video"),
    ]
    for read in readers:
        try:
            found = read()
        except KlingError as error:
            check_shown(error)
        else:
            for result in found if isinstance(found, list) else [found]:
                check_shown(result)
    for endpoint in CALLS:
        try:
            value = responses.value(response, endpoint.read)
        except KlingError as error:
            check_shown(error)
        else:
            assert repr(value).encode() == repr(pickled(value)).encode()
    assert isinstance(responses.service_time(response), float | None)


@LIMITS
@given(STATUSES, HEADERS, st.binary(max_size=60) | truncated())
@example(200, {}, b"[" * 200_000)
@example(200, {}, b'{"code":0,"data":' + b'{"task_id":' * 900 + b"1" + b"}" * 901)
@example(200, {}, b'{"code":0,"data":{"task_id":' + b"9" * 5000 + b',"task_status":"failed"}}')
@example(200, {}, b'{"code":' + b"9" * 4000 + b',"message":"a"}')
@example(200, {}, b'{"code":1e999}')
@example(200, {}, '{"code":0}'.encode("utf-16"))
@example(200, {"date": " "}, b"")
@example(200, {"date": "0, 0 0 0 0:0:0"}, b"")
def test_random_bytes(status: int, headers: dict[str, str], body: bytes) -> None:
    """Invalid or truncated JSON is a typed error."""
    check_answer(HttpResponse(status, headers, body))


@LIMITS
@given(STATUSES, mutated())
def test_mutated_answers(status: int, body: Any) -> None:
    """Recorded responses with random values in any place give a record or a typed error."""
    check_answer(HttpResponse(status, {}, json.dumps(body).encode()))


@LIMITS
@given(mutated(), st.randoms(use_true_random=False))
def test_garbled_text(body: Any, random: Any) -> None:
    """Recorded responses with overwritten bytes give a record or a typed error."""
    text = bytearray(json.dumps(body).encode())
    for _ in range(random.randrange(4)):
        text[random.randrange(len(text))] = random.randrange(256)
    check_answer(HttpResponse(200, {}, bytes(text)))


@LIMITS
@given(
    HEADER_TEXT | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d{1,2}:\d{1,2}:\d{1,2} [-+]?\w{0,6}")
)
def test_random_dates(date: str) -> None:
    """A `Date` header of any text is a time or None."""
    assert isinstance(responses.service_time(HttpResponse(200, {"date": date})), float | None)


@pytest.mark.parametrize("depth", [100, 900])
def test_deep_nesting_in_an_unknown_member(depth: int) -> None:
    """Deep nesting in an unknown member does not affect other members."""
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    data = {"task_id": "8", "task_status": "failed", "more": deep, "created_at": deep, "task_result": deep}
    task = task_from_wire(data, "image2video")
    check_shown(task)


@pytest.mark.parametrize("depth", [10, 900])
def test_deep_nesting_in_the_answer_to_a_call(depth: int) -> None:
    """The error contains the response, which may be billed, as a value or as text, and can be pickled."""
    body = '{"code": 0, "data": ' + '{"task_id": ' * depth + "1" + "}" * depth + "}"
    call = next(each for each in CALLS if each.record is IdentifyFaces)
    with pytest.raises(UnexpectedAnswer) as caught:
        responses.value(HttpResponse(200, {}, body.encode()), call.read)
    error = pickled(caught.value)
    check_shown(caught.value)
    assert error.data == (json.loads(body)["data"] if depth == 10 else body)
