"""The price of a request of the current generation: the estimate, and the service's bill."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_async import KlingClient, current, estimate
from kling_async.emulator import Emulator
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.table import Row
from tests.shell.conftest import wall

pytestmark = pytest.mark.usefixtures("nothing_is_left")

WALK = "https://files.example/walk.mp4"
CAT = Path(__file__).parents[2] / "examples" / "images" / "cat.png"


def materials(row: Row) -> Iterator[dict[str, Any]]:
    """The inputs of a request of a path, in each way that may change its price."""
    match row.family:
        case table.TEXT_TO_VIDEO:
            yield {"prompt": "a cat"}
        case table.IMAGE_TO_VIDEO:
            yield {"prompt": "it runs", "first_frame": CAT}
            if "voice" in row.contents:
                yield {"prompt": "@v speaks", "first_frame": CAT, "voices": {"v": "829824295735410756"}}
        case table.OMNI_VIDEO:
            yield {"prompt": "@cat runs", "refer_images": {"cat": CAT}, "aspect_ratio": "1:1"}
            yield {"prompt": "as in @walk", "feature_video": {"walk": WALK}, "aspect_ratio": "1:1"}
            yield {"prompt": "snow on @walk", "base_video": {"walk": WALK}}
        case _:
            yield {"prompt": "it walks", "image": CAT, "video": WALK, "character_orientation": "video"}


def requests_of(row: Row) -> Iterator[Any]:
    """All valid requests of a path that differ in what the price may depend on."""
    records: Any = {each.family: each for each in (
        current.TextToVideo, current.ImageToVideo, current.OmniVideo, current.MotionControl
    )}  # fmt: skip
    seconds: set[int | None] = {*row.durations[:1], *row.durations[-1:]} or {None}
    for made, size, audio, length in itertools.product(materials(row), row.resolutions, row.audio or (None,), seconds):
        given = {"resolution": size, "audio": audio, "duration": length}
        given = {name: value for name, value in given.items() if value is not None}
        request = records[row.family](model=row.model, **made, **given)
        endpoint = endpoint_of(request)
        assert endpoint is not None
        if all(problem.only_warns for problem in endpoint.problems(request, {})):
            yield request


@pytest.mark.parametrize("row", table.VERIFIED, ids=lambda row: row.path)
@pytest.mark.filterwarnings("ignore::kling_async.CapabilityWarning")
async def test_the_bill_matches_the_estimate(row: Row) -> None:
    """For each path, resolution, kind of sound, length and input, the service bills what `estimate` returned.

    Of what follows a video nothing is said before, and it is billed by the seconds of the result.
    """
    follows = {"base_video", "video"}
    asked = [*requests_of(row)]
    assert {each.resolution for each in asked} == {*row.resolutions}
    async with (
        Emulator(render=False, concurrency=100, clock=wall()) as emulator,
        KlingClient(api_key=emulator.api_key, base_url=emulator.base_url, clock=wall(), concurrency=100) as client,
    ):
        handles = await asyncio.gather(*map(client.submit, asked))
        tasks = await asyncio.gather(*handles)
    for request, task in zip(asked, tasks, strict=True):
        estimated = estimate(request)
        assert task.cost is not None
        assert (task.cost.amount, task.cost.currency) == (None, None)
        if any(getattr(request, name, None) for name in follows):
            assert (estimated.units, estimated.usd) == (None, None)
        else:
            assert (task.cost.units, task.final_unit_deduction) == (estimated.units, estimated.units), request
