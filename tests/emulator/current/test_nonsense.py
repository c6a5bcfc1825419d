"""Nonsensical bodies: each is refused or accepted, and none breaks the emulator."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from kling_async.emulator.service.current.contents import ITEM, TYPES
from kling_async.emulator.service.endpoint import AcceptedRequest
from kling_async.emulator.service.errors import Refusal
from tests.emulator.conftest import Caller

from .bodies import ENDPOINTS, IMAGE, MOTION, OMNI, TEXT_V3, Body, item, made, taken, task

SCALARS = st.none() | st.booleans() | st.integers(-1, 20) | st.floats(allow_nan=False)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.sampled_from(["", "5", IMAGE, "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*ITEM, "x"]), inner, max_size=3),
    max_leaves=4,
)
SETTINGS = ("resolution", "duration", "aspect_ratio", "audio", "multi_shot", "character_orientation", "seed")
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(TYPES)) | ANYTHING},
    optional={name: ANYTHING for name in ITEM if name != "type"},
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "prompt": ANYTHING | st.just("a cat"),
        "contents": ANYTHING | st.lists(ITEMS | ANYTHING, max_size=4),
        "settings": ANYTHING | st.fixed_dictionaries({}, optional=dict.fromkeys(SETTINGS, ANYTHING)),
        "options": ANYTHING,
    },
)


@pytest.mark.parametrize("path", [TEXT_V3, OMNI, MOTION])
@pytest.mark.parametrize("strict", [False, True])
@seed(1)
@settings(max_examples=60, database=None)
@given(body=BODIES)
def test_no_body_breaks_the_emulator(path: str, body: Body, *, strict: bool) -> None:
    """Any body is refused with a message or accepted, and has a price and a time, or none."""
    assert ENDPOINTS[path].estimate(body) >= 0
    assert (ENDPOINTS[path].generation_seconds(body) or 1) > 0
    with contextlib.suppress(Refusal):
        assert isinstance(taken(path, body, strict=strict), AcceptedRequest)


@pytest.mark.parametrize("value", [5, {"a": 1}, [1], None, True])
async def test_members_that_an_item_does_not_need(caller: Caller, value: Any) -> None:
    """Their values may be anything, and are ignored."""
    contents = [{"type": "prompt", "text": "a cat", "url": value, "voice_id": value}, item("first_frame")]
    task_id = await made(caller, OMNI, {"contents": contents})

    assert (await task(caller, task_id))["status"] == "submitted"
