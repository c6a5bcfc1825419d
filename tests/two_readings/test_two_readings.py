"""The documentation was read twice, for the client and for its emulator: where the two differ, one of them is wrong.

Each endpoint has a module here, named like the client's method, whose `READING` defines what is compared. Deliberate
differences are listed there, each with an example and the reason.
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
"""Number of random requests of each endpoint: more in a slow run."""
CLIENTS: Final[dict[str, Endpoint]] = {
    endpoint.path: endpoint for endpoint in all_endpoints() if endpoint.generation is Generation.LEGACY
}
EMULATED: Final = {endpoint.path: endpoint for endpoint in catalog.ENDPOINTS}


def find_readings() -> dict[str, Reading]:
    """Returns the readings by the name of the endpoint."""
    names = [each.name for each in pkgutil.iter_modules(two_readings.__path__)]
    modules = [importlib.import_module(f"{two_readings.__name__}.{name}") for name in names if name[:5] != "test_"]
    readings: list[Reading] = [module.READING for module in modules if hasattr(module, "READING")]
    return {reading.endpoint.name: reading for reading in readings}


READINGS: Final = find_readings()
EACH_READING: Final = pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)


def pieces_of(reading: Reading) -> list[Piece]:
    """Returns the pieces whose parameters the endpoint has."""
    return [piece for piece in COMMON + reading.pieces if reading.takes(piece)]


def is_deliberate(differences: list[Difference], refusal: str) -> bool:
    """Whether a refusal is one of the deliberate differences."""
    return any(re.match(each.refusal, refusal) for each in differences)


def on_the_wire(endpoint: Endpoint, request: object) -> bytes:
    """Returns the body of the create."""
    parts = requests.create(endpoint, request).body
    return b"".join(part if isinstance(part, bytes) else base64.b64encode(part.data or b"") for part in parts)


def accepted(endpoint: Endpoint, request: object) -> AcceptedRequest:
    """Returns the request as an emulator accepts it that requires the documented JSON types.

    Raises:
        Refusal: The emulator refuses the request.
    """
    emulated = EMULATED[endpoint.path]
    return emulated.accept(request_body.parse([on_the_wire(endpoint, request)], emulated.members, strict=True))


def emulator_refusal(endpoint: Endpoint, request: object) -> str:
    """Returns why the emulator refuses the request or fails its task, or ""."""
    try:
        return accepted(endpoint, request).damage
    except Refusal as refusal:
        return refusal.message


def facts_about(given: Media, data: bytes) -> FileFacts:
    """Returns the facts that the client reads from a file."""
    return facts_of(given, lambda start, count: data[start : start + count], len(data))


def client_problems(endpoint: Endpoint, request: Any) -> list[str]:
    """Returns the problems for which the client does not send the request."""
    files = files_of(request)
    facts = {field: facts_about(file, file.data) for field, file in files.items() if file.data is not None}
    return [str(problem) for problem in endpoint.problems(request, facts) if not problem.only_warns]


def disagreement(reading: Reading, request: Any) -> str:
    """Returns how the readings differ, apart from deliberate differences; "" if they agree."""
    client, emulator = client_problems(reading.endpoint, request), emulator_refusal(reading.endpoint, request)
    if emulator and not client and not is_deliberate(reading.only_the_emulator_refuses, emulator):
        return f"only the emulator refuses: {emulator}"
    if client and not emulator:
        unlisted = [problem for problem in client if not is_deliberate(reading.only_the_client_refuses, problem)]
        return f"only the client refuses: {'; '.join(unlisted)}" if unlisted else ""
    return ""


def test_each_endpoint_is_read_twice() -> None:
    """The emulator serves each endpoint of the client, and each has a reading here."""
    assert CLIENTS.keys() == EMULATED.keys()
    assert READINGS.keys() == {endpoint.name for endpoint in CLIENTS.values()}


def each_difference() -> list[Any]:
    """Returns the deliberate differences, each with its reading and whether the client is the one that refuses."""
    sides = [(reading, True, each) for reading in READINGS.values() for each in reading.only_the_client_refuses]
    sides += [(reading, False, each) for reading in READINGS.values() for each in reading.only_the_emulator_refuses]
    return [pytest.param(*side, id=f"{side[0].endpoint.name} {side[2].refusal}") for side in sides]


@pytest.mark.parametrize(("reading", "by_the_client", "difference"), each_difference())
def test_each_deliberate_difference_exists(reading: Reading, difference: Difference, *, by_the_client: bool) -> None:
    """The example of each deliberate difference is refused by that side only."""
    request = reading.request(**difference.example)
    client, emulator = client_problems(reading.endpoint, request), emulator_refusal(reading.endpoint, request)
    if by_the_client:
        assert (len(client), emulator) == (1, "")
        assert re.match(difference.refusal, client[0])
    else:
        assert client == []
        assert re.match(difference.refusal, emulator)


@EACH_READING
def test_each_parameter_with_each_model(reading: Reading) -> None:
    """In each mode and duration of each model, each single parameter is refused by both or by neither."""
    seen = set()
    for variant in reading.variants:
        for piece in [{}, *pieces_of(reading)]:
            request = reading.request(**variant | piece)
            assert disagreement(reading, request) == "", variant | piece
            seen.add(bool(client_problems(reading.endpoint, request)))
    assert seen == {True, False}


def drawn(reading: Reading) -> st.SearchStrategy[Piece]:
    """Draws the parameters of a supported variant, changed by up to three pieces."""
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
    """The emulator accepts what the client accepts, and refuses what the client refuses."""
    parameters = data.draw(drawn(reading))
    assert disagreement(reading, reading.request(**parameters)) == ""


@EACH_READING
def test_prices(reading: Reading) -> None:
    """The emulator estimates and charges the client's price, if the client has one."""
    known = 0
    for variant, piece in itertools.product(reading.variants, [{}, *pieces_of(reading)]):
        request = reading.request(**variant | piece)
        units = reading.endpoint.estimate(request).units
        if units is None or client_problems(reading.endpoint, request) or emulator_refusal(reading.endpoint, request):
            continue
        assert EMULATED[reading.endpoint.path].estimate(json.loads(on_the_wire(reading.endpoint, request))) == units
        assert accepted(reading.endpoint, request).units == units
        known += 1
    assert known or reading.endpoint.units is no_price


LONGER: Final = 2.5
"""Largest factor between the two readings of a time: few users measured times, and the client's ignore the model."""


@EACH_READING
def test_typical_times(reading: Reading) -> None:
    """The client's expected time of a task is the emulator's, within the stated factor."""
    factors = []
    for variant in reading.variants:
        request = reading.request(**variant)
        mean = mean_generation_seconds(reading.endpoint.path, to_wire(request))
        assert mean is not None
        factors.append(mean / reading.endpoint.typical_seconds(request))
    assert 1 / LONGER < min(factors) <= max(factors) < LONGER
    usual = reading.request()  # of the default model, which most tasks use
    mean = mean_generation_seconds(reading.endpoint.path, to_wire(usual))
    assert mean == pytest.approx(reading.endpoint.typical_seconds(usual), rel=0.3)


OF_VIDEOS: Final = [
    each for each in READINGS.values() if each.endpoint.capabilities and each.endpoint.pool is Pool.VIDEO
]


@pytest.mark.parametrize("reading", OF_VIDEOS, ids=lambda reading: reading.endpoint.name)
def test_sizes(reading: Reading) -> None:
    """A video of the emulator has the size and the frame rate of the client's capabilities."""
    assert reading.endpoint.capabilities is not None
    for row in reading.endpoint.capabilities.rows:
        variant = {"model_name": row.model_name, "mode": row.mode, "duration": row.duration}
        taken = {name: value for name, value in variant.items() if reading.takes({name: value})}
        result = accepted(reading.endpoint, reading.request(**taken)).result
        assert isinstance(result, VideoResult)
        assert min(result.size) == {"720p": 720, "1080p": 1080, "4k": 2160}[row.size or ""]
        assert row.fps in {None, result.spec.fps}


def test_packs_pages_and_members_agree() -> None:
    """Packs, page sizes, queries by external id and members of requests are the same on both sides."""
    for path, endpoint in CLIENTS.items():
        emulated = EMULATED[path]
        assert (endpoint.name, endpoint.pool.value) == (emulated.name, emulated.pack)
        assert endpoint.page_maximum == emulated.page_maximum
        assert emulated.finds_by_external_id or not endpoint.finds_by_external_id
        record: Any = endpoint.record
        fields = [field for field in attrs.fields(record) if "instead_of" not in field.metadata]
        assert {field.metadata.get("inside", field.name) for field in fields} == emulated.members.keys()
