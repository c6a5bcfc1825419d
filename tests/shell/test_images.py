"""The endpoints that make pictures, from the call to the files."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    CapabilityWarning,
    ExpandImage,
    GenerateImages,
    ImageToVideo,
    InvalidRequest,
    KlingClient,
    MultiImageToImage,
    OmniImage,
    Request,
    TargetError,
    TaskNotFound,
    TaskStatus,
    estimate,
)
from kling_async.emulator import Emulator, Fault
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.recorded_bodies import OTHERS
from tests.shell.conftest import IMAGES, ClientMaker
from tests.shell.stub import answer, script, serve
from tests.whole_png import size_of_whole_png

CAT = IMAGES / "cat.png"
PROMPT = "a cat on a skateboard"
URL = "https://example.com/a.png"
SERIES: dict[str, Any] = {"result_type": "series"}

# What is asked for, how many pictures that makes, and their width by their height.
STORIES = [
    pytest.param(GenerateImages(PROMPT), 1, 16 / 9, id="default"),
    pytest.param(GenerateImages(PROMPT, n=3, aspect_ratio="3:4", resolution="2k"), 3, 3 / 4, id="three of 2k"),
    pytest.param(
        GenerateImages(PROMPT, model_name="kling-v2-1", image=CAT, image_reference="subject", aspect_ratio="1:1"),
        1,
        1,
        id="reference",
    ),
    pytest.param(OmniImage("<<<image_1>>> runs", image_list=[CAT], n=2, aspect_ratio="2:3"), 2, 2 / 3, id="omni"),
    pytest.param(OmniImage(PROMPT, **SERIES, aspect_ratio="4:3"), 4, 4 / 3, id="series"),
    pytest.param(OmniImage(PROMPT, **SERIES, series_amount=2, aspect_ratio="9:16"), 2, 9 / 16, id="series of two"),
    pytest.param(OmniImage(PROMPT, resolution="4k", aspect_ratio="21:9"), 1, 21 / 9, id="4k"),
    pytest.param(
        MultiImageToImage([CAT, CAT], scene_image=CAT, style_image=CAT, n=2, aspect_ratio="3:2"), 2, 3 / 2, id="multi"
    ),
]


@pytest.mark.parametrize(("request_", "count", "ratio"), STORIES)
async def test_from_the_record_to_the_files(
    client: KlingClient, emulator: Emulator, tmp_path: Path, request_: Request, *, count: int, ratio: float
) -> None:
    """The requested number of complete pictures, of the requested ratio; request and cost are as expected."""
    handle = await client.submit(request_)
    task = await handle
    assert [picture.index for picture in task.images] == list(range(count))
    paths = await handle.save_all(tmp_path / "new")
    assert [path.name for path in paths] == [
        f"{task.task_id}{f'-{number}' if number > 1 else ''}.png" for number in range(1, count + 1)
    ]
    for path in paths:
        width, height = size_of_whole_png(path.read_bytes())
        assert width / height == pytest.approx(ratio, rel=0.02)
    [entry] = emulator.ledger.entries
    assert task.final_unit_deduction == Decimal(str(entry.units)) == estimate(request_).units


async def test_sizes(client: KlingClient, tmp_path: Path) -> None:
    """2k has twice the sides of 1k, and 4k four times."""
    sides = []
    for resolution in ("1k", "2k", "4k"):
        path = await client.generate(
            OmniImage(PROMPT, aspect_ratio="1:1", resolution=resolution), tmp_path / f"{resolution}.png"
        )
        sides.append(size_of_whole_png(path.read_bytes())[0])
    assert sides[0] == pytest.approx(1024, rel=0.1)
    assert [side / sides[0] for side in sides] == pytest.approx([1, 2, 4], rel=0.1)


async def test_expanded(client: KlingClient, tmp_path: Path) -> None:
    """The picture grows by the requested shares of its sides."""
    handle = await client.expand_image(CAT, left_expansion_ratio=0.5, right_expansion_ratio=0.5, n=2)
    before, sizes = size_of_whole_png(CAT.read_bytes()), set()
    for path in await handle.save_all(tmp_path):
        sizes.add(size_of_whole_png(path.read_bytes()))
    [(width, height)] = sizes
    assert width / height == pytest.approx(2 * before[0] / before[1], rel=0.02)


@pytest.mark.parametrize(
    "request_",
    [GenerateImages(PROMPT), OmniImage(PROMPT), MultiImageToImage([CAT]), ExpandImage(CAT)],
    ids=lambda request: type(request).__name__,
)
async def test_listed_and_attached(make_client: ClientMaker, emulator: Emulator, request_: Request) -> None:
    """Another client finds the task in its endpoint's list, by its reference, and by the external id."""
    endpoint = endpoint_of(request_)
    assert endpoint is not None
    made = await make_client().submit(request_)
    other = make_client()
    assert [task.reference async for task in other.tasks(endpoint.name)] == [made.reference]
    assert (await other.attach(made.reference)).status is TaskStatus.SUCCEED
    assert (await other.get_task(f"{endpoint.name}:{made.external_task_id}")).task_id == made.task_id
    [entry] = emulator.ledger.entries
    sent = {name: value for name, value in to_wire(request_).items() if isinstance(value, str | int | float)}
    assert entry.endpoint == endpoint.name
    assert sent.items() <= entry.parameters.items()


async def test_by_method(client: KlingClient, emulator: Emulator) -> None:
    """Each method submits its record to its own endpoint."""
    handles = [
        await client.generate_images(PROMPT, n=2),
        await client.omni_image(PROMPT, aspect_ratio="1:1"),
        await client.multi_image_to_image([CAT], prompt=PROMPT),
        await client.expand_image(CAT, up_expansion_ratio=0.5),
    ]
    names = ["images/generations", "images/omni-image", "images/multi-image2image", "images/editing/expand"]
    assert [handle.reference.partition(":")[0] for handle in handles] == names
    assert [entry.endpoint for entry in emulator.ledger.entries] == names


async def test_a_picture_of_an_earlier_task_is_given_as_it_is(client: KlingClient, emulator: Emulator) -> None:
    """A `Picture` is sent as its URL, wherever a picture is accepted."""
    [picture] = (await (await client.generate_images(PROMPT))).images
    requests = [
        GenerateImages(PROMPT, image=picture),
        OmniImage("<<<image_1>>>", image_list=[picture]),
        MultiImageToImage([picture], scene_image=picture, style_image=picture),
        ExpandImage(picture, up_expansion_ratio=0.5),
        ImageToVideo(picture),
    ]
    for request in requests:
        assert (await (await client.submit(request))).status is TaskStatus.SUCCEED
    sent = [entry.parameters for entry in emulator.ledger.entries[1:]]
    assert sent[1]["image_list"] == [{"image": picture.url}]
    assert sent[2]["subject_image_list"] == [{"subject_image": picture.url}]
    assert [body["image"] for body in (sent[0], *sent[3:])] == [picture.url] * 3


async def test_watermark(client: KlingClient, tmp_path: Path) -> None:
    """Watermarked pictures are saved beside the others if they were requested."""
    handle = await client.generate_images(PROMPT, n=2, watermark_info={"enabled": True})
    plain = await handle.save_all(tmp_path)
    marked = await handle.save_all(tmp_path, watermark=True)
    assert [path.name for path in marked] == [f"{handle.task_id}-watermark.png", f"{handle.task_id}-watermark-2.png"]
    for path, other in zip(plain, marked, strict=True):
        assert size_of_whole_png(path.read_bytes()) == size_of_whole_png(other.read_bytes())
        assert path.read_bytes() != other.read_bytes()


async def test_a_series_whose_length_the_service_decides(client: KlingClient, tmp_path: Path) -> None:
    """Every picture of a series is saved."""
    handle = await client.omni_image(PROMPT, **SERIES, series_amount="auto", aspect_ratio="1:1")
    task = await handle
    paths = await handle.save_all(tmp_path)
    assert 2 <= len(task.images) == len(paths) <= 9
    assert all(size_of_whole_png(path.read_bytes()) for path in paths)


async def test_several_pictures_need_a_directory(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """A file path for several pictures is refused before anything is paid."""
    with pytest.raises(TargetError, match="no directory"):
        await client.generate(GenerateImages(PROMPT, n=2), tmp_path / "cat.png")
    with pytest.raises(TargetError, match="no directory"):
        await client.generate(OmniImage(PROMPT, **SERIES), tmp_path / "cat.png")
    assert emulator.ledger.created == 0
    assert (await client.generate(GenerateImages(PROMPT, n=2), tmp_path)).suffix == ".png"
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize(
    ("record", "given", "fields"),
    [
        (GenerateImages, {}, ["prompt"]),
        (
            GenerateImages,
            {"prompt": "", "image_reference": "style", "n": 10, "image": IMAGES / "none.png"},
            ["image", "image_reference", "n", "prompt"],
        ),
        (GenerateImages, {"prompt": PROMPT, "image": URL, "negative_prompt": "x", "n": "x"}, ["n", "negative_prompt"]),
        (OmniImage, {"prompt": PROMPT, "image_list": [URL] * 11, "result_type": "film"}, ["image_list", "result_type"]),
        (
            OmniImage,
            {"image_list": ["none.png"], "series_amount": 1, **SERIES},
            ["image_list[0]", "prompt", "series_amount"],
        ),
        (MultiImageToImage, {"n": 0}, ["n", "subject_image_list"]),
        (
            MultiImageToImage,
            {"subject_image_list": [CAT] * 5, "style_image": b"x"},
            ["style_image", "subject_image_list"],
        ),
        (ExpandImage, {"n": "some", "up_expansion_ratio": 3}, ["image", "n", "up_expansion_ratio"]),
        (ExpandImage, {"image": CAT, "up_expansion_ratio": 2, "left_expansion_ratio": 1}, ["up_expansion_ratio"]),
    ],
    ids=str,
)
async def test_bad_input(
    client: KlingClient, emulator: Emulator, record: Any, given: dict[str, Any], fields: list[str]
) -> None:
    """All problems are reported at once, and nothing is sent."""
    with pytest.raises(InvalidRequest) as caught:
        await client.submit(record(**given))
    assert sorted(problem.field for problem in caught.value.problems) == fields
    assert sum(emulator.ledger.requests.values()) == 0


async def test_what_the_map_alone_refuses(client: KlingClient, emulator: Emulator) -> None:
    """Nothing is sent with `strict`; without it the request is sent with a warning."""
    request = OmniImage(PROMPT, model_name="kling-image-o1", resolution="4k", aspect_ratio="1:1")
    with pytest.raises(InvalidRequest, match="needs model_name kling-v3-omni"):
        await client.submit(request)
    assert emulator.ledger.requests["create"] == 0
    with pytest.warns(CapabilityWarning, match="resolution"):
        await asyncio.gather(client.submit(request, strict=False), return_exceptions=True)
    assert emulator.ledger.requests["create"] == 1


async def test_slots_are_pictures(make_client: ClientMaker, emulator: Emulator) -> None:
    """A task takes a slot for each of its pictures, from those of its model: videos do not wait for them."""
    client = make_client(concurrency=4)
    requests = [
        *(OmniImage(PROMPT, n=2, aspect_ratio="1:1") for _ in range(3)),
        *(OmniImage(PROMPT, **SERIES, aspect_ratio="1:1") for _ in range(2)),
        *(ImageToVideo(CAT, model_name="kling-v3") for _ in range(2)),
    ]
    handles = await asyncio.gather(*map(client.submit, requests))
    await asyncio.gather(*handles)
    assert emulator.ledger.peak("kling-v3-omni") <= 4
    assert emulator.ledger.created == len(requests)


@pytest.mark.parametrize("request_", [GenerateImages(PROMPT), ExpandImage(CAT)], ids=lambda each: type(each).__name__)
async def test_a_lost_answer_is_looked_up(client: KlingClient, emulator: Emulator, request_: Request) -> None:
    """After a lost response to a create, the task is found by its external id, created once and paid once."""
    emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
    handle = await client.submit(request_)
    assert (await handle).status is TaskStatus.SUCCEED
    assert (emulator.ledger.created, emulator.ledger.requests["create"]) == (1, 1)


async def test_an_unknown_id_as_it_was_recorded(make_client: ClientMaker) -> None:
    """The recorded refusal of an unknown id is TaskNotFound."""
    recorded = OTHERS["error_1201_task_not_found_external"]
    async with serve(script(answer(recorded["_meta"]["http_status"], recorded["body"]))) as stub:
        with pytest.raises(TaskNotFound, match="images/generations:job-0404"):
            await make_client(base_url=stub.base_url).get_task("images/generations:job-0404")


async def test_answers_as_they_were_recorded(make_client: ClientMaker) -> None:
    """A create and the finished task of a live account are read."""
    created = OTHERS["omni_image_create_live"]["body"]
    finished = OTHERS["omni_image_query_succeed_live"]["body"]
    async with serve(script(answer(200, created), answer(200, finished))) as stub:
        client = make_client(base_url=stub.base_url)
        handle = await client.omni_image(PROMPT, model_name="kling-image-o1", external_task_id="10060")
        assert handle.reference == "images/omni-image:867283741759110105"
        task = await client.get_task("images/omni-image:867283741759110106")
    assert len(task.images) == 1
    assert task.final_unit_deduction == 8
