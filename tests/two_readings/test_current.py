"""Compares the client's checks of the current generation with a strict emulator's: both accept the same bodies.

So no request that the client sends has a member or a value that the emulator has not from the documentation.
"""

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import attrs
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from kling_async import current
from kling_async.emulator.service import catalog, request_body
from kling_async.emulator.service.errors import Refusal
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.endpoints.current import table
from tests.two_readings.test_two_readings import on_the_wire

Body = dict[str, Any]
Change = Callable[[Body], None]

EMULATED: Final = {endpoint.path: endpoint for endpoint in catalog.CURRENT if endpoint.is_documented}

IMAGE: Final = {"url": "https://files.example.com/a.png"}
VIDEO: Final = {"url": "https://files.example.com/v.mp4"}


def least(path: str) -> Body:
    """Returns the smallest valid request of a path."""
    prompt, frame = {"type": "prompt", "text": "a cat"}, {"type": "first_frame", **IMAGE}
    match path.split("/")[1]:
        case "text-to-video":
            return {"prompt": "a cat"}
        case "image-to-video":
            return {"contents": [prompt, frame]}
        case "motion-control":
            contents = [{"type": "image", **IMAGE}, {"type": "video", **VIDEO}]
            return {"contents": contents, "settings": {"character_orientation": "video"}}
        case _:
            return {"contents": [prompt], "settings": {"aspect_ratio": "16:9"}}


# ----------------------------------------------------------------------------------------------------- changes


def put(place: str, name: str, value: Any) -> Change:
    """Sets a member of the body, or of one of its objects."""

    def change(body: Body) -> None:
        (body if not place else body.setdefault(place, {}))[name] = value

    return change


def add(kind: str, members: dict[str, str], count: int = 1) -> Change:
    """Adds materials; `*` in a value is replaced by a different letter for each."""

    def change(body: Body) -> None:
        contents = body.setdefault("contents", [])
        for _ in range(count):
            letter = chr(97 + len(contents))
            contents.append({"type": kind, **{name: value.replace("*", letter) for name, value in members.items()}})

    return change


def drop(kind: str) -> Change:
    """Removes the materials of a type."""

    def change(body: Body) -> None:
        if "contents" in body:
            body["contents"] = [item for item in body["contents"] if item["type"] != kind]

    return change


def prompted(prompt: str) -> Change:
    """Replaces the prompt, in the body or in its contents."""

    def change(body: Body) -> None:
        drop("prompt")(body)
        if "contents" in body:
            body["contents"].append({"type": "prompt", "text": prompt})
        else:
            body["prompt"] = prompt

    return change


SETTINGS: Final[dict[str, list[Any]]] = {
    "resolution": ["720p", "1080p", "4k", "480p", "1080P", 720],
    "duration": [3, 5, 7, 10, 11, 15, 16, 0, -1, "5", 5.0, True],
    "aspect_ratio": ["16:9", "1:1", "4:3", "16x9"],
    "audio": ["native", "original", "off", "on", True],
    "multi_shot": [True, False, "true"],
    "character_orientation": ["image", "video", "me"],
    "cfg_scale": [0.5],
    "negative_prompt": ["dogs"],
    "mode": ["pro"],
    "seed": [5],
}
TWO_SHOTS: Final = "shot 1, 2, a boat; shot 2, 3, a whale;"
CHANGES: Final[list[Change]] = [
    *(put("settings", name, value) for name, values in SETTINGS.items() for value in values),
    *(put("", name, value) for name, value in {"model_name": "kling-v3", "duration": "5", "settings": 5}.items()),
    put("", "prompt", "a cat"),
    put("options", "external_task_id", "job-0001"),
    put("options", "external_task_id", ""),
    put("options", "callback_url", "https://hooks.example.com/"),
    put("options", "callback_url", "hooks"),
    put("options", "watermark_info", {"enabled": True}),
    put("options", "watermark_info", {"url": "x"}),
    put("options", "seed", 5),
    *(add(kind, IMAGE) for kind in ("first_frame", "last_frame", "middle_frame", "refer_image", "image", "audio")),
    *(add(kind, VIDEO) for kind in ("video", "feature_video", "base_video")),
    *(add("refer_image", IMAGE, count) for count in (4, 5, 7, 8)),
    *(add("element", {"element_id": "162", "id": "element_*"}, count) for count in (1, 2, 3, 4, 5)),
    *(add("voice", {"voice_id": "829824295735400000", "id": "voice_*"}, count) for count in (1, 2, 3)),
    add("element", {"element_id": "162"}),
    add("element", {"element_id": "hero", "id": "x"}),
    add("element", {"element_id": "162", "id": "same"}, 2),
    add("refer_image", IMAGE | {"id": "element_"}),
    add("first_frame", IMAGE | {"id": "frame"}),
    add("first_frame", IMAGE | {"image": "x"}),
    add("first_frame", {"url": " "}),
    add("refer_image", {"url": "nonsense"}),
    add("base_video", {"url": "AAAA"}),
    add("prompt", {"text": "a dog"}),
    *(drop(kind) for kind in ("prompt", "first_frame", "image", "video")),
    *map(prompted, ("", "x" * 2501, "x" * 3073, TWO_SHOTS, "shot 1, 5, " + "x" * 513 + ";", "shot 2, 5, a boat;")),
    prompted(" ".join(f"shot {number}, 1, a boat;" for number in range(1, 8))),
    prompted("shot 1, 0, a boat; shot 2, 5, a whale;"),
    *map(
        prompted, ("shot 1, 2s, a; shot 2, 3, b", "shot 1, 2.5, a", "shot 1, 5", "shot 1, a boat leaves", "shot1, 5, a")
    ),
    *map(prompted, ("shot 1, 2, a; shot 2, b;", "shot 1, 5, a; then b", "a long shot, 1, of a boat; and so on")),
]


# ------------------------------------------------------------------------------------------------- comparison


def emulator_refusal(path: str, body: Body) -> str:
    """Returns why a strict emulator refuses the body or fails its task, or ""."""
    endpoint = EMULATED[path]
    try:
        parsed = request_body.parse([json.dumps(body).encode()], endpoint.members, strict=True, only_known=True)
        endpoint.check(parsed)
        return endpoint.accept(parsed).damage
    except Refusal as refusal:
        return refusal.message


def client_problems(path: str, body: Body) -> list[str]:
    """Returns the problems for which the client does not send the body."""
    return [str(problem) for problem in current.problems(path, body) if not problem.only_warns]


ONLY_THE_EMULATOR: Final = ["Invalid element id"]
"""Beginnings of deliberate differences: only the service checks the form of an id."""


def disagreement(path: str, body: Body) -> str:
    """Returns how the readings differ, apart from deliberate differences; "" if they agree."""
    client, emulator = client_problems(path, body), emulator_refusal(path, body)
    if emulator and not client and emulator not in ONLY_THE_EMULATOR:
        return f"only the emulator refuses: {emulator}"
    return f"only the client refuses: {'; '.join(client)}" if client and not emulator else ""


EACH_PATH: Final = pytest.mark.parametrize("path", EMULATED)


def test_each_path_is_read_twice() -> None:
    """Client and emulator have the same paths, and mark the same ones as undocumented."""
    assert {row.path: row.verified for row in table.ROWS} == {
        endpoint.path: endpoint.is_documented for endpoint in catalog.CURRENT
    }


@EACH_PATH
def test_each_change_of_a_request(path: str) -> None:
    """Each single change of the smallest request is refused by both or by neither."""
    seen = set()
    for change in [lambda _body: None, *CHANGES]:
        body = copy.deepcopy(least(path))
        change(body)
        assert disagreement(path, body) == "", body
        seen.add(bool(client_problems(path, body)))
    assert seen == {True, False}


@EACH_PATH
@seed(1)
@settings(max_examples=60, database=None)
@given(changes=st.lists(st.sampled_from(CHANGES), min_size=2, max_size=5))
def test_drawn_requests(path: str, changes: list[Change]) -> None:
    """A strict emulator accepts what the client's checks accept, and refuses what they refuse."""
    body = copy.deepcopy(least(path))
    for change in changes:
        if isinstance(body.get("settings", {}), dict):
            change(body)
    assert disagreement(path, body) == ""


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 20) | st.floats(allow_nan=False) | st.sampled_from(["5", "off", "1:1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["enabled", "x"]), inner, max_size=1),
    max_leaves=3,
)
NAMES: Final = st.sampled_from([*SETTINGS, "callback_url", "watermark_info", "settings", "url", "id", "Duration", "x"])
MORE: Final[st.SearchStrategy[dict[str, Any]]] = st.dictionaries(
    NAMES | st.text(max_size=3), JSON, max_size=2
) | st.just({})


@EACH_PATH
@seed(1)
@settings(max_examples=40, database=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(data=st.data())
def test_drawn_members(path: str, data: st.DataObject) -> None:
    """A body that the client's checks accept has no member and no setting that a strict emulator refuses."""
    body: Any = least(path)
    own = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in SETTINGS.items()})
    settings_ = body.get("settings", {}) | data.draw(own | MORE)
    body = body | {"settings": settings_, "options": data.draw(MORE)} | data.draw(MORE)
    for item in body.get("contents", []):
        item.update(data.draw(MORE))
    if not client_problems(path, body):
        assert emulator_refusal(path, body) in {"", *ONLY_THE_EMULATOR}


# ----------------------------------------------------------------------------------------------------- records

LEAST: Final[dict[str, Callable[..., Any]]] = {
    "text-to-video": partial(current.TextToVideo, "a cat"),
    "image-to-video": partial(current.ImageToVideo, IMAGE["url"], prompt="a cat"),
    "omni-video": partial(current.OmniVideo, "a cat", aspect_ratio="16:9"),
    "motion-control": partial(current.MotionControl, IMAGE["url"], video=VIDEO["url"], character_orientation="video"),
}
ALTERNATIVES: Final[dict[str, list[Any]]] = {
    "resolution": [None, "720p", "1080p", "4k"],
    "duration": [None, 3, 10, 15],
    "audio": [None, "native", "original", "off"],
    "voices": [None, {"anna": "829824295735400000"}],
    "feature_video": [None, {"clip": VIDEO["url"]}],
}
LONGER: Final = 2.5
"""Largest factor between the two readings of a time, because times were measured by few users."""


def sendable_requests(path: str) -> Iterator[Any]:
    """Yields requests of a path that the client's checks accept, with their endpoints."""
    _, family, model = path.split("/")
    make = partial(LEAST[family], model=model)
    fields = attrs.fields_dict(type(make())).keys() & ALTERNATIVES.keys()
    for values in itertools.product(*(ALTERNATIVES[name] for name in sorted(fields))):
        parameters = {name: value for name, value in zip(sorted(fields), values, strict=True) if value is not None}
        request = make(**parameters)
        endpoint = endpoint_of(request)
        assert endpoint is not None
        if all(problem.only_warns for problem in endpoint.problems(request, {})):
            yield endpoint, request


@EACH_PATH
def test_prices_and_times(path: str) -> None:
    """A strict emulator accepts the client's requests, at the client's price and in about its expected time."""
    emulated, priced = EMULATED[path], 0
    for endpoint, request in sendable_requests(path):
        body = request_body.parse([on_the_wire(endpoint, request)], emulated.members, strict=True, only_known=True)
        emulated.check(body)
        accepted = emulated.accept(body)
        units, mean = endpoint.estimate(request).units, emulated.generation_seconds(body)
        assert units in {None, accepted.units}
        assert emulated.estimate(body) == accepted.units
        assert mean is not None
        assert 1 / LONGER < mean / endpoint.typical_seconds(request) < LONGER
        priced += units is not None
    assert priced or path.startswith("/motion-control")
