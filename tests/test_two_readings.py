"""The documentation was read twice, for the client and for its emulator: where the two differ, one of them is wrong.

Deliberate differences are listed, each with an example that shows it and the reason.
"""

import base64
import functools
import json
import operator
import re
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from kling_async import ImageToVideo, TextToVideo
from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service import catalog, request_body
from kling_async.emulator.service.endpoint import AcceptedRequest
from kling_async.emulator.service.errors import Refusal
from kling_async.protocol.capability import Capability
from kling_async.protocol.catalog import all_endpoints, endpoint_for
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.rules.camera import AXES
from kling_async.protocol.rules.pictures import images_of
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.picture_files import jpeg, png

CLIENTS: Final[dict[str, Endpoint]] = {endpoint.path: endpoint for endpoint in all_endpoints()}
EMULATED: Final = {endpoint.path: endpoint for endpoint in catalog.ENDPOINTS}

WIDE, TALL, SQUARE, SMALL, FLAT = png(640, 360), jpeg(360, 640), png(400, 400), png(299, 300), jpeg(2000, 600)
URL: Final = "https://example.com/cat.png"
WAY: Final = [{"x": 1, "y": 1}, {"x": 9, "y": 9}]
SHOTS: Final = [{"index": 1, "prompt": "a", "duration": 2}, {"index": 2, "prompt": "b", "duration": 3}]
CUSTOM: Final = {"multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS}


def camera(**config: float) -> dict[str, Any]:
    """A movement of the camera."""
    return {"camera_control": {"type": "simple", "config": config}}


Piece = dict[str, Any]

SAID: Final[list[Piece]] = [
    {"prompt": "a cat"},
    {"prompt": ""},
    {"prompt": "x" * 2500},
    {"prompt": "x" * 2501},
    {"negative_prompt": "y" * 2501},
    {"cfg_scale": 0.5},
    {"cfg_scale": 1.5},
]
SOUND: Final[list[Piece]] = [
    {"sound": True},
    {"sound": False},
    {"sound": True, "voice_list": ["1", "2"]},
    {"voice_list": ["1"]},
    {"voice_list": ["1", "2", "3"], "sound": True},
    {"voice_list": []},
]
CAMERA: Final[list[Piece]] = [
    camera(pan=5),
    camera(zoom=-10),
    camera(roll=10.5),
    camera(pan=1, tilt=1),
    camera(),
    {"camera_control": {"type": "down_back"}},
    {"camera_control": {"type": "down_back", "config": {"pan": 1}}},
    {"camera_control": {"type": "simple"}},
    {"camera_control": {"type": "up"}},
]
SEVERAL_SHOTS: Final[list[Piece]] = [
    {"multi_shot": True, "shot_type": "intelligence"},
    {"multi_shot": True},
    {"multi_shot": False},
    CUSTOM,
    CUSTOM | {"duration": 5},
    CUSTOM | {"duration": 6},
    CUSTOM | {"multi_prompt": []},
    CUSTOM | {"multi_prompt": [{"index": 0, "prompt": "a", "duration": 5}]},
    CUSTOM | {"multi_prompt": [{"index": 1, "prompt": "a" * 513, "duration": 5}], "duration": 5},
    {"shot_type": "customize"},
]
EVERY_TASK: Final[list[Piece]] = [
    {"watermark_info": {"enabled": True}},
    {"callback_url": "https://example.com/kling"},
    {"callback_url": "example.com"},
    {"external_task_id": "mine"},
]
SETTINGS: Final[list[Piece]] = [
    {"mode": "pro"},
    {"mode": "4k"},
    {"duration": 10},
    {"duration": 7},
    {"duration": 16},
    {"model_name": "kling-v1-5"},
    {"model_name": "kling-v9"},
]
RATIOS: Final[list[Piece]] = [{"aspect_ratio": "9:16"}, {"aspect_ratio": "1:1"}, {"aspect_ratio": "4:3"}]
PICTURES: Final[list[Piece]] = [
    {"image": URL},
    {"image": None},
    {"image": TALL},
    {"image": SMALL},
    {"image": FLAT},
    {"image": b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(64)},
    {"image_tail": SQUARE},
    {"image_tail": SQUARE, "image": None},
    {"static_mask": png(320, 180)},
    {"dynamic_masks": [{"mask": URL, "trajectories": WAY}]},
    {"dynamic_masks": [{"mask": png(320, 180), "trajectories": WAY}]},
    {"dynamic_masks": [{"mask": TALL, "trajectories": WAY}]},
    {"dynamic_masks": [{"mask": URL, "trajectories": WAY[:1]}]},
    {"dynamic_masks": [{"mask": URL, "trajectories": WAY}] * 7},
    {"element_list": [1, 2, 3]},
    {"element_list": [1, 2, 3, 4]},
]


@attrs.frozen
class Reading:
    """What is drawn of one endpoint's requests.

    Attributes:
        record: of the client.
        least: what every request has.
        pieces: of its own, which may be put over it beside the common ones.
    """

    record: type[Request]
    least: Piece = attrs.field(repr=False)
    pieces: list[Piece] = attrs.field(repr=False)

    @property
    def endpoint(self) -> Endpoint:
        """The client's."""
        found = endpoint_for(self.record)
        assert found is not None
        return found

    @property
    def rows(self) -> tuple[Capability, ...]:
        """What each model can do, by the client's map."""
        assert self.endpoint.capabilities is not None
        return self.endpoint.capabilities.rows

    def request(self, **parameters: Any) -> Any:
        """A request, in which only the parameters differ from the least one."""
        made: Any = self.record
        return made(**{**self.least, **parameters})

    def takes(self, piece: Piece) -> bool:
        """Whether the endpoint has all of these parameters."""
        record: Any = self.record
        return piece.keys() <= attrs.fields_dict(record).keys()

    @property
    def all_pieces(self) -> list[Piece]:
        """Those that the endpoint has."""
        return [piece for piece in COMMON + self.pieces if self.takes(piece)]


COMMON: Final = SAID + SOUND + CAMERA + SEVERAL_SHOTS + EVERY_TASK + SETTINGS + RATIOS
READINGS: Final = {
    "image2video": Reading(ImageToVideo, {"image": WIDE}, PICTURES),
    "text2video": Reading(TextToVideo, {"prompt": "a cat"}, [{"prompt": "cat.png"}]),
}
EACH_READING: Final = pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)


@attrs.frozen
class Difference:
    """What one of the readings refuses, and the other does not.

    Attributes:
        of: endpoints.
        refusal: how it begins, as a pattern.
        example: that shows it.
        why: it is left so.
    """

    of: tuple[str, ...]
    refusal: str
    example: Piece
    why: str


VIDEOS: Final = ("image2video", "text2video")
ONLY_THE_CLIENT_REFUSES: Final = [
    Difference(
        VIDEOS,
        "(shot_type|multi_prompt): has an effect with multi_shot only",
        {"shot_type": "customize"},
        "the service ignores it; who writes it forgot multi_shot, and would pay for something else",
    ),
    Difference(
        VIDEOS,
        "multi_prompt: (the shots last|two shots have the same index)",
        {**CUSTOM, "model_name": "kling-v3", "shot_type": "intelligence", "duration": 10},
        "that the service ignores shots which it is to find itself is not known",
    ),
    Difference(
        VIDEOS,
        "mode: (pro|std) is not possible with kling-v2-(1-)?master",
        {"model_name": "kling-v2-master", "mode": "pro"},
        "the map has one mode for these models; that the service refuses another is not known",
    ),
    Difference(
        ("image2video",),
        "(static_mask|dynamic_masks).* each side must have at least 300",
        {"model_name": "kling-v1", "static_mask": png(320, 180)},
        "the limits are documented for all pictures; that the service holds masks to them is not known",
    ),
    Difference(
        ("image2video",),
        "(camera_control|static_mask|dynamic_masks): image_tail and",
        {"model_name": "kling-v1", "image": None, "image_tail": SQUARE, **camera(pan=1)},
        "the documentation excludes it for both images together; of image_tail alone nothing is known",
    ),
    Difference(
        ("image2video",),
        "camera_control: kling-v3 (cannot do|with) camera_control",
        {"model_name": "kling-v3", "camera_control": {"type": "down_back"}},
        "three sources deny the camera in std, one does not: the map refuses, which strict=False lifts",
    ),
    Difference(
        ("text2video",),
        "prompt: is the name of a picture",
        {"prompt": "cat.png"},
        "the service would make a video of the file name, and bill it",
    ),
]
ONLY_THE_EMULATOR_REFUSES: Final = [
    Difference(
        tuple(READINGS),
        "model is not supported",
        {"model_name": "kling-v9"},
        "models come and go: the client lets the service judge those that it does not know",
    ),
]


def listed(differences: list[Difference], endpoint: Endpoint, refusal: str) -> bool:
    """Whether this refusal is one of the deliberate differences."""
    return any(endpoint.name in each.of and re.match(each.refusal, refusal) for each in differences)


def on_the_wire(endpoint: Endpoint, request: object) -> bytes:
    """The body of the create."""
    parts = requests.create(endpoint, request).body
    return b"".join(part if isinstance(part, bytes) else base64.b64encode(part.data or b"") for part in parts)


def accepted(endpoint: Endpoint, request: object) -> AcceptedRequest:
    """What the emulator makes of it; only the documented JSON types will do.

    Raises:
        Refusal: it refuses the request.
    """
    emulated = EMULATED[endpoint.path]
    return emulated.accept(request_body.parse([on_the_wire(endpoint, request)], emulated.members, strict=True))


def emulator_says(endpoint: Endpoint, request: object) -> str:
    """Why the request comes to nothing, "" if it does not."""
    try:
        return accepted(endpoint, request).damage
    except Refusal as refusal:
        return refusal.message


def facts_of(picture: bytes) -> ImageFacts:
    """What the client knows of a picture."""
    return ImageFacts.of(lambda start, count: picture[start : start + count], len(picture))


def client_says(endpoint: Endpoint, request: Any) -> list[str]:
    """Why the request is not sent."""
    facts = {field: facts_of(image.data) for field, image in images_of(request).items() if image.data is not None}
    return [str(problem) for problem in endpoint.problems(request, facts) if not problem.only_warns]


def disagreement(endpoint: Endpoint, request: Any) -> str:
    """How the readings differ, other than as listed; "" where they agree."""
    client, emulator = client_says(endpoint, request), emulator_says(endpoint, request)
    if emulator and not client and not listed(ONLY_THE_EMULATOR_REFUSES, endpoint, emulator):
        return f"only the emulator refuses: {emulator}"
    if client and not emulator:
        unlisted = [problem for problem in client if not listed(ONLY_THE_CLIENT_REFUSES, endpoint, problem)]
        return f"only the client refuses: {'; '.join(unlisted)}" if unlisted else ""
    return ""


def test_each_endpoint_is_read_twice() -> None:
    """What the client can submit the emulator serves, and is compared here."""
    assert CLIENTS.keys() == EMULATED.keys()
    assert READINGS.keys() == {endpoint.name for endpoint in CLIENTS.values()}


@pytest.mark.parametrize(
    "difference", ONLY_THE_CLIENT_REFUSES + ONLY_THE_EMULATOR_REFUSES, ids=lambda each: each.refusal
)
def test_a_listed_difference_is_there(difference: Difference) -> None:
    """Each deliberate difference is shown by its example, on each endpoint that it is listed for."""
    for name in difference.of:
        reading = READINGS[name]
        request = reading.request(**difference.example)
        client, emulator = client_says(reading.endpoint, request), emulator_says(reading.endpoint, request)
        if difference in ONLY_THE_CLIENT_REFUSES:
            assert (len(client), emulator) == (1, "")
            assert re.match(difference.refusal, client[0])
        else:
            assert client == []
            assert re.match(difference.refusal, emulator)


@EACH_READING
def test_each_parameter_with_each_model(reading: Reading) -> None:
    """In each mode and duration of each model, each single parameter is refused by both or by none."""
    seen = set()
    for row in (row for row in reading.rows if row.duration in {3, 5, 10, 15}):  # those between are like them
        for piece in [{}, *reading.all_pieces]:
            parameters = {"model_name": row.model_name, "mode": row.mode, "duration": row.duration, **piece}
            request = reading.request(**parameters)
            assert disagreement(reading.endpoint, request) == "", parameters
            seen.add(bool(client_says(reading.endpoint, request)))
    assert seen == {True, False}


def drawn(reading: Reading) -> st.SearchStrategy[Piece]:
    """Parameters: what a model can do, and up to three things put over it."""
    rows = st.sampled_from(reading.rows)
    own = rows.map(lambda row: {"model_name": row.model_name, "mode": row.mode, "duration": row.duration})
    free = [
        st.fixed_dictionaries({"duration": st.integers(-1, 20)}),
        st.fixed_dictionaries({"cfg_scale": st.floats(-1, 2)}),
        st.fixed_dictionaries({"prompt": st.text(st.characters(codec="utf-8"), max_size=20)}),
        st.builds(lambda axis, value: camera(**{axis: value}), st.sampled_from(AXES), st.floats(-11, 11)),
    ]
    over = st.lists(st.one_of(st.sampled_from(reading.all_pieces), *free).filter(reading.takes), max_size=3)
    return st.builds(lambda first, pieces: functools.reduce(operator.or_, pieces, first), own, over)


def compare(reading: Reading, data: st.DataObject) -> None:
    """A request that is drawn is refused by both or by none."""
    parameters = data.draw(drawn(reading))
    assert disagreement(reading.endpoint, reading.request(**parameters)) == ""


@EACH_READING
@seed(1)
@settings(max_examples=150, database=None)
@given(data=st.data())
def test_drawn_requests(reading: Reading, data: st.DataObject) -> None:
    """What the client passes the emulator accepts, and what the client refuses the emulator refuses, too."""
    compare(reading, data)


@EACH_READING
def test_prices(reading: Reading) -> None:
    """Where the client knows a price, the emulator takes it: before the task is made, and for it."""
    sounds: list[Piece] = [{}, {"sound": True}, {"sound": True, "voice_list": ["1"]}]
    known = {place: 0 for place, more in enumerate(sounds) if reading.takes(more)}
    for row in reading.rows:
        for place in known:
            own = {"model_name": row.model_name, "mode": row.mode, "duration": row.duration}
            request = reading.request(**own | sounds[place])
            units = reading.endpoint.estimate(request).units
            if units is None or client_says(reading.endpoint, request):
                continue
            assert EMULATED[reading.endpoint.path].estimate(json.loads(on_the_wire(reading.endpoint, request))) == units
            assert accepted(reading.endpoint, request).units == units
            known[place] += 1
    assert all(known.values())


LONGER: Final = 2.5
"""Times are those of few users, and the client's do not go by model: the two readings are this factor apart at most."""


@EACH_READING
def test_typical_times(reading: Reading) -> None:
    """What the client expects a task to take is what it takes in the emulator, within the stated factor."""
    factors = []
    for row in reading.rows:
        request = reading.request(model_name=row.model_name, mode=row.mode, duration=row.duration)
        mean = mean_generation_seconds(reading.endpoint.path, to_wire(request))
        assert mean is not None
        factors.append(mean / reading.endpoint.typical_seconds(request))
    assert 1 / LONGER < min(factors) < max(factors) < LONGER
    usual = reading.request()  # of the default model, which is the one that most tasks are made with
    mean = mean_generation_seconds(reading.endpoint.path, to_wire(usual))
    assert mean == pytest.approx(reading.endpoint.typical_seconds(usual), rel=0.3)


@EACH_READING
def test_sizes(reading: Reading) -> None:
    """A video of the emulator has the height and the rate that the client's map promises."""
    for row in reading.rows:
        result = accepted(
            reading.endpoint, reading.request(model_name=row.model_name, mode=row.mode, duration=row.duration)
        ).result
        assert isinstance(result, VideoResult)
        assert min(result.size) == {"720p": 720, "1080p": 1080, "4k": 2160}[row.size]
        assert row.fps in {None, result.spec.fps}


def test_endpoints_agree_on_the_rest() -> None:
    """Both know alike which pack pays, how long a page of the list is, and whether the caller's own id finds a task."""
    for path, endpoint in CLIENTS.items():
        emulated = EMULATED[path]
        assert (endpoint.name, endpoint.pool.value) == (emulated.name, emulated.pack)
        assert endpoint.page_maximum == emulated.page_maximum
        assert endpoint.finds_by_external_id == emulated.finds_by_external_id
        record: Any = endpoint.record
        assert attrs.fields_dict(record).keys() == emulated.members.keys()
