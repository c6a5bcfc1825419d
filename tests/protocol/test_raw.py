import json
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.errors import BadResponse, UnexpectedAnswer
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.raw import RawCall, RawTask, endpoint_at, problems_of_call
from kling_async.protocol.reference import Reference
from kling_async.protocol.rules.values import is_path
from kling_async.protocol.wire import requests, responses
from kling_async.protocol.wire.codec import to_wire
from kling_async.protocol.wire.envelope import HttpResponse

PATH = "/v1/general/ai-multi-shot"
ANYTHING: Any = object()


@pytest.mark.parametrize("path", [PATH, "/account/costs", "/v1/a.b/c_d~e-f", "/text-to-video/kling-3.0-turbo"])
def test_paths(path: str) -> None:
    """A path is host-relative and needs no quoting."""
    assert is_path(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "v1/a", "//host/a", "/v1//a", "/v1/a/", "/../a", "/v1/..", "/v1/../a", "/./a", "/v1/."),
        *("/v1/a?b=1", "/v1/a#b", "/v1/%2e%2e/a", "https://h/v1/a", "/v1/a b", "/v1/a:b", "/v1/ä", "/v1\\a", "/a\n"),
        *("/a\r\nHost: b", "/a\0", None, 5, b"/v1/a"),
    ],
)
def test_what_is_no_path(path: Any) -> None:
    """What names a host, leads out of the path, has a query or would need quoting is refused before it is sent."""
    assert not is_path(path)
    assert [problem.field for problem in endpoint_at("/x").problems(RawTask(path, {}), {})] == ["path"]
    assert [problem.field for problem in problems_of_call(RawCall("POST", path))] == ["path"]


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/text-to-video/kling-3.0-turbo", "use current.TextToVideo(model='kling-3.0-turbo')"),
        ("/image-to-video/kling-9", "use current.ImageToVideo(model='kling-9')"),
        ("/omni-video/new/kling-9", "use current.OmniVideo(model=..., path='/omni-video/new/kling-9')"),
        ("/Motion-Control", "use current.MotionControl(model=...)"),
        ("/tasks", "attach('tasks:<id>')"),
        ("/tasks/8", "attach('tasks:<id>')"),
        ("/account/billing/balance", "use RawCall"),
        ("/solutions/virtual_try_on", "use RawCall"),
    ],
)
def test_paths_queried_elsewhere_are_no_raw_tasks(path: str, way: str) -> None:
    """It would be paid for and never found: it is refused, with what makes it; a call of the path is still possible."""
    [problem] = endpoint_at(path).problems(RawTask(path, {"prompt": "a"}), {})
    assert (problem.field, problem.only_warns, problem.by_map) == ("path", False, False)
    assert way in problem.message
    assert not problems_of_call(RawCall("POST", path, {"prompt": "a"}))


@pytest.mark.parametrize("path", ["/new/route", "/v2/videos/x", "/text-to-video-2/kling-9", "/v1/text-to-video"])
def test_a_path_that_nothing_is_known_of_is_possible(path: str) -> None:
    """Outside of the legacy paths, too."""
    assert not endpoint_at(path).problems(RawTask(path, {"prompt": "a"}), {})


@pytest.mark.parametrize("body", [None, [], "{}", 5, {1: 2}, {"a": b"x"}, {"a": ANYTHING}, {"a": float("nan")}])
def test_what_is_no_body(body: Any) -> None:
    """The body is a dict of JSON values; NaN is not one."""
    assert [problem.field for problem in endpoint_at(PATH).problems(RawTask(PATH, body), {})] == ["body"]


def test_a_body_that_contains_itself_is_refused() -> None:
    """A circle is a problem of the body, not an error of the encoder."""
    body: dict[str, Any] = {}
    body["self"] = body
    assert [problem.field for problem in endpoint_at(PATH).problems(RawTask(PATH, body), {})] == ["body"]


def test_the_body_is_sent_as_given() -> None:
    """None and empty members are sent too, and no id is added."""
    body: dict[str, Any] = {"model_name": "x", "nothing": None, "list": [], "external_task_id": "mine"}
    assert to_wire(RawTask(PATH, body)) == body


def test_an_external_id_where_it_finds_the_task() -> None:
    """With `finds_by_external_id` the id that the client sets goes along; the body's own stays."""
    task = RawTask(PATH, {"a": 1}, finds_by_external_id=True, external_task_id="made")
    assert to_wire(task) == {"a": 1, "external_task_id": "made"}
    assert RawTask(PATH, {"external_task_id": "mine"}, finds_by_external_id=True).external_task_id == "mine"


def test_an_id_given_beside_the_body() -> None:
    """It is sent; where the body has another one, or one that is no text and would be replaced, that is a problem."""
    assert to_wire(RawTask(PATH, {"a": 1}, external_task_id="mine")) == {"a": 1, "external_task_id": "mine"}
    for task in (
        RawTask(PATH, {"external_task_id": "a"}, external_task_id="b"),
        RawTask(PATH, {"external_task_id": 5}, finds_by_external_id=True),
        RawTask(PATH, {"external_task_id": 5}, external_task_id="5"),
    ):
        assert [problem.field for problem in endpoint_at(PATH).problems(task, {})] == ["external_task_id"]
    fine = (RawTask(PATH, {"external_task_id": 5}), RawTask(PATH, {"external_task_id": "a"}, external_task_id="a"))
    assert not [problem for task in fine for problem in endpoint_at(PATH).problems(task, {})]


def test_the_body_is_copied() -> None:
    """What a caller changes in his own dicts and lists afterwards is not sent."""
    body: dict[str, Any] = {"list": [{"a": (1, 2)}], "dict": MappingProxyType({"b": []})}
    task = RawTask(PATH, body)
    body["list"][0]["a"] = 5
    body["dict"]["b"].append(5)
    assert task.members() == {"list": [{"a": [1, 2]}], "dict": {"b": []}}


@pytest.mark.parametrize(
    ("body", "enabled"), [({}, None), ({"watermark_info": {"enabled": True}}, True), ({"watermark_info": 5}, None)]
)
def test_whether_a_watermark_is_requested(body: dict[str, Any], enabled: bool | None) -> None:  # noqa: FBT001  (by the table)
    """It is in the body."""
    assert getattr(RawTask(PATH, body).watermark_info, "enabled", None) is enabled


def test_a_unit_of_a_path_has_no_price() -> None:
    """It is not known from whose pack it is taken."""
    assert endpoint_at(PATH).priced(Decimal(2)) == Estimate(units=Decimal(2), usd=None)


def test_nested_keys_are_sent_as_json_says_them() -> None:
    """What json.dumps makes of a body is what is posted."""
    request = requests.create(endpoint_at(PATH), RawTask(PATH, {"a": {1: None, "b": (True,)}}))
    assert request.body == (b'{"a": {"1": null, "b": [true]}}',)


def test_its_endpoint() -> None:
    """A raw task's endpoint is its path, and is found again by the first half of its reference."""
    endpoint = endpoint_of(RawTask(PATH, {}, finds_by_external_id=True))
    assert endpoint is not None
    assert (endpoint.path, endpoint.name, endpoint.finds_by_external_id) == (PATH, f"raw:{PATH}", True)
    reference = Reference.parse(f"raw:{PATH}:a:b")
    assert (reference.endpoint, reference.id) == (f"raw:{PATH}", "a:b")
    assert str(reference) == f"raw:{PATH}:a:b"
    found = endpoint_named(reference.endpoint)
    assert found is not None
    assert (found.path, found.finds_by_external_id) == (PATH, False)
    assert endpoint_named("raw:/v1/../a") is None


@pytest.mark.parametrize("text", ["raw:", "raw:/a", "raw:/a:", "raw::8", ":8", "8"])
def test_what_is_no_reference(text: str) -> None:
    """Text that lacks the path or the id is no reference."""
    with pytest.raises(ValueError, match="raw:<path>:<task id>" if text.startswith("raw:") else "<endpoint>:<task id>"):
        Reference.parse(text)


def test_its_line_is_that_of_its_model() -> None:
    """Slots are counted per model; without one, per path."""
    assert endpoint_at(PATH).line_of(RawTask(PATH, {"model_name": "kling-v2-6"})) == "kling-v2-6"
    assert endpoint_at(PATH).line_of(RawTask(PATH, {"model_name": 5})) == f"raw:{PATH}"


def response(data: Any) -> HttpResponse:
    """A yes of the service."""
    return HttpResponse(200, body=json.dumps({"code": 0, "data": data}).encode())


@pytest.mark.parametrize("data", [{"images": [1]}, [], None, "x", {"task_id": ""}])
def test_a_yes_without_a_task(data: Any) -> None:
    """A path that answers without a task id gives what it answered; of a known endpoint that is no answer."""
    with pytest.raises(UnexpectedAnswer) as caught:
        responses.created(response(data), f"raw:{PATH}", None, raw=True)
    assert caught.value.data == data
    assert caught.value.http_status == 200
    with pytest.raises(BadResponse) as other:
        responses.created(response(data), "any", "8")
    assert not isinstance(other.value, UnexpectedAnswer)


def test_a_task_without_an_external_id() -> None:
    """Where none was sent, none is expected in the answer."""
    task = responses.created(response({"task_id": "8", "task_status": "submitted"}), f"raw:{PATH}", None, raw=True)
    assert (task.reference, task.external_task_id) == (f"raw:{PATH}:8", None)


def test_calls() -> None:
    """GET and DELETE carry their members as the query, the others as JSON."""
    assert requests.call("GET", "/account/costs", {"start_time": 1, "all": True, "name": "a b"}).params == (
        ("start_time", "1"),
        ("all", "true"),
        ("name", "a b"),
    )
    assert requests.call("POST", "/v1/a", {"b": [1]}).body == (b'{"b": [1]}',)
    assert requests.call("POST", "/v1/a", None).body == (b"{}",)
    assert requests.call("GET", "/v1/a", None) == requests.HttpRequest("GET", "/v1/a", once=True)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (RawCall("PUSH", "/a"), "method"),  # type: ignore[arg-type]  # wrong on purpose
        (RawCall("GET", "/a", {"b": [1]}), "body"),
        (RawCall("POST", "/a", {"b": b"1"}), "body"),
        (RawCall("GET", "/a", {"b": "\ud800"}), "body['b']"),
        (RawCall("POST", "/a", [1]), "body"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_what_is_no_call(call: RawCall, field: str) -> None:
    """Another method, and a body that cannot be sent, are refused."""
    assert [problem.field for problem in problems_of_call(call)] == [field]


def test_what_a_query_takes() -> None:
    """Text and numbers, and nothing at all."""
    for body in ({"a": "b", "n": 1, "half": 0.5, "yes": True}, {}, None):
        assert not problems_of_call(RawCall("GET", "/account/costs", body))


def test_a_body_is_in_no_repr() -> None:
    """Bodies may hold pictures and secrets."""
    assert "picture" not in repr((RawTask(PATH, {"a": "picture"}), RawCall("POST", PATH, {"a": "picture"})))
