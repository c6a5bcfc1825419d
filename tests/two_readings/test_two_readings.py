"""The documentation was read twice, for the client and for its emulator: where the two differ, one of them is wrong.

Each endpoint has a module here, named as the client's method, whose `READING` says what is compared of it. Deliberate
differences are listed there, each with an example that shows it and the reason.
"""

import base64
import functools
import importlib
import itertools
import json
import operator
import os
import pkgutil
import re
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from kling_async.emulator import mean_generation_seconds
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service import catalog, request_body
from kling_async.emulator.service.endpoint import AcceptedRequest
from kling_async.emulator.service.errors import Refusal
from kling_async.protocol.catalog import all_endpoints
from kling_async.protocol.endpoint import Endpoint, Generation, Pool, no_price
from kling_async.protocol.media.given import FileFacts, Media
from kling_async.protocol.rules.camera import AXES
from kling_async.protocol.rules.files import facts_of, files_of
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.codec import to_wire
from tests import two_readings
from tests.two_readings.pieces import COMMON, camera
from tests.two_readings.reading import Difference, Piece, Reading

DRAWN: Final = int(os.environ.get("KLING_ASYNC_DRAWN", "50"))
"""Requests of each endpoint that are drawn: more in a session of its own."""
CLIENTS: Final[dict[str, Endpoint]] = {
    endpoint.path: endpoint for endpoint in all_endpoints() if endpoint.generation is Generation.LEGACY
}
EMULATED: Final = {endpoint.path: endpoint for endpoint in catalog.ENDPOINTS}


def found() -> dict[str, Reading]:
    """The readings, by the name of the endpoint."""
    names = [each.name for each in pkgutil.iter_modules(two_readings.__path__)]
    modules = [importlib.import_module(f"{two_readings.__name__}.{name}") for name in names if name[:5] != "test_"]
    readings: list[Reading] = [module.READING for module in modules if hasattr(module, "READING")]
    return {reading.endpoint.name: reading for reading in readings}


READINGS: Final = found()
EACH_READING: Final = pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)


def pieces_of(reading: Reading) -> list[Piece]:
    """Those that the endpoint has."""
    return [piece for piece in COMMON + reading.pieces if reading.takes(piece)]


def listed(differences: list[Difference], refusal: str) -> bool:
    """Whether this refusal is one of the deliberate differences."""
    return any(re.match(each.refusal, refusal) for each in differences)


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


def looked_at(given: Media, data: bytes) -> FileFacts:
    """What the client knows of a file."""
    return facts_of(given, lambda start, count: data[start : start + count], len(data))


def client_says(endpoint: Endpoint, request: Any) -> list[str]:
    """Why the request is not sent."""
    files = files_of(request)
    facts = {field: looked_at(file, file.data) for field, file in files.items() if file.data is not None}
    return [str(problem) for problem in endpoint.problems(request, facts) if not problem.only_warns]


def disagreement(reading: Reading, request: Any) -> str:
    """How the readings differ, other than as listed; "" where they agree."""
    client, emulator = client_says(reading.endpoint, request), emulator_says(reading.endpoint, request)
    if emulator and not client and not listed(reading.only_the_emulator_refuses, emulator):
        return f"only the emulator refuses: {emulator}"
    if client and not emulator:
        unlisted = [problem for problem in client if not listed(reading.only_the_client_refuses, problem)]
        return f"only the client refuses: {'; '.join(unlisted)}" if unlisted else ""
    return ""


def test_each_endpoint_is_read_twice() -> None:
    """What the client can submit the emulator serves, and is compared here."""
    assert CLIENTS.keys() == EMULATED.keys()
    assert READINGS.keys() == {endpoint.name for endpoint in CLIENTS.values()}


def each_difference() -> list[Any]:
    """The deliberate differences, each with its reading and with whether the client is it that refuses."""
    sides = [(reading, True, each) for reading in READINGS.values() for each in reading.only_the_client_refuses]
    sides += [(reading, False, each) for reading in READINGS.values() for each in reading.only_the_emulator_refuses]
    return [pytest.param(*side, id=f"{side[0].endpoint.name} {side[2].refusal}") for side in sides]


@pytest.mark.parametrize(("reading", "by_the_client", "difference"), each_difference())
def test_a_listed_difference_is_there(reading: Reading, difference: Difference, *, by_the_client: bool) -> None:
    """Each deliberate difference is shown by its example."""
    request = reading.request(**difference.example)
    client, emulator = client_says(reading.endpoint, request), emulator_says(reading.endpoint, request)
    if by_the_client:
        assert (len(client), emulator) == (1, "")
        assert re.match(difference.refusal, client[0])
    else:
        assert client == []
        assert re.match(difference.refusal, emulator)


@EACH_READING
def test_each_parameter_with_each_model(reading: Reading) -> None:
    """In each mode and duration of each model, each single parameter is refused by both or by none."""
    seen = set()
    for variant in reading.variants:
        for piece in [{}, *pieces_of(reading)]:
            request = reading.request(**variant | piece)
            assert disagreement(reading, request) == "", variant | piece
            seen.add(bool(client_says(reading.endpoint, request)))
    assert seen == {True, False}


def drawn(reading: Reading) -> st.SearchStrategy[Piece]:
    """Parameters: what a model can do, and up to three things put over it."""
    own = st.sampled_from(reading.variants)
    free: dict[str, st.SearchStrategy[Piece]] = {
        "duration": st.fixed_dictionaries({"duration": st.integers(-1, 20)}),
        "cfg_scale": st.fixed_dictionaries({"cfg_scale": st.floats(-1, 2)}),
        "prompt": st.fixed_dictionaries({"prompt": st.text(st.characters(codec="utf-8"), max_size=20)}),
        "camera_control": st.builds(
            lambda axis, value: camera(**{axis: value}), st.sampled_from(AXES), st.floats(-11, 11)
        ),
    }
    taken = [strategy for name, strategy in free.items() if reading.takes({name: None})]
    over = st.lists(st.one_of(st.sampled_from(pieces_of(reading)), *taken), max_size=3)
    return st.builds(lambda first, pieces: functools.reduce(operator.or_, pieces, first), own, over)


@EACH_READING
@seed(1)
@settings(max_examples=DRAWN, database=None)
@given(data=st.data())
def test_drawn_requests(reading: Reading, data: st.DataObject) -> None:
    """What the client passes the emulator accepts, and what the client refuses the emulator refuses, too."""
    parameters = data.draw(drawn(reading))
    assert disagreement(reading, reading.request(**parameters)) == ""


@EACH_READING
def test_prices(reading: Reading) -> None:
    """Where the client knows a price, the emulator takes it: before the task is made, and for it."""
    known = 0
    for variant, piece in itertools.product(reading.variants, [{}, *pieces_of(reading)]):
        request = reading.request(**variant | piece)
        units = reading.endpoint.estimate(request).units
        if units is None or client_says(reading.endpoint, request) or emulator_says(reading.endpoint, request):
            continue
        assert EMULATED[reading.endpoint.path].estimate(json.loads(on_the_wire(reading.endpoint, request))) == units
        assert accepted(reading.endpoint, request).units == units
        known += 1
    assert known or reading.endpoint.units is no_price


LONGER: Final = 2.5
"""Times are those of few users, and the client's do not go by model: the two readings are this factor apart at most."""


@EACH_READING
def test_typical_times(reading: Reading) -> None:
    """What the client expects a task to take is what it takes in the emulator, within the stated factor."""
    factors = []
    for variant in reading.variants:
        request = reading.request(**variant)
        mean = mean_generation_seconds(reading.endpoint.path, to_wire(request))
        assert mean is not None
        factors.append(mean / reading.endpoint.typical_seconds(request))
    assert 1 / LONGER < min(factors) <= max(factors) < LONGER
    usual = reading.request()  # of the default model, which is the one that most tasks are made with
    mean = mean_generation_seconds(reading.endpoint.path, to_wire(usual))
    assert mean == pytest.approx(reading.endpoint.typical_seconds(usual), rel=0.3)


OF_VIDEOS: Final = [
    each for each in READINGS.values() if each.endpoint.capabilities and each.endpoint.pool is Pool.VIDEO
]


@pytest.mark.parametrize("reading", OF_VIDEOS, ids=lambda reading: reading.endpoint.name)
def test_sizes(reading: Reading) -> None:
    """A video of the emulator has the height and the rate that the client's map promises."""
    assert reading.endpoint.capabilities is not None
    for row in reading.endpoint.capabilities.rows:
        variant = {"model_name": row.model_name, "mode": row.mode, "duration": row.duration}
        taken = {name: value for name, value in variant.items() if reading.takes({name: value})}
        result = accepted(reading.endpoint, reading.request(**taken)).result
        assert isinstance(result, VideoResult)
        assert min(result.size) == {"720p": 720, "1080p": 1080, "4k": 2160}[row.size or ""]
        assert row.fps in {None, result.spec.fps}


def test_endpoints_agree_on_the_rest() -> None:
    """Both know alike which pack pays, and how long a page is; what the client finds by its own id is found."""
    for path, endpoint in CLIENTS.items():
        emulated = EMULATED[path]
        assert (endpoint.name, endpoint.pool.value) == (emulated.name, emulated.pack)
        assert endpoint.page_maximum == emulated.page_maximum
        assert emulated.finds_by_external_id or not endpoint.finds_by_external_id
        record: Any = endpoint.record
        fields = [field for field in attrs.fields(record) if "instead_of" not in field.metadata]
        assert {field.metadata.get("inside", field.name) for field in fields} == emulated.members.keys()
