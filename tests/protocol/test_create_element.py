"""Elements of the library: requests, valid and refused parameters."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoints.assets.create_element import ENDPOINT, CreateElement, ElementVideoList
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.image_header import ImageFacts, ImageHeader
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Video, Voice
from kling_async.protocol.rules.files import files_of
from kling_async.protocol.wire.codec import to_wire

FRONT, SIDE = "https://files.example/front.png", "https://files.example/side.png"
CLIP = "https://files.example/clip.mp4"
IMAGES, VIDEO = "element_image_list", "element_video_list"
PICTURES: dict[str, Any] = {"frontal_image": FRONT, "refer_images": [SIDE]}
VIDEOS: dict[str, Any] = {"refer_videos": [{"video_url": CLIP}]}
OF_A_VIDEO: dict[str, Any] = {
    "reference_type": "video_refer",
    "element_image_list": None,
    "element_video_list": VIDEOS,
}


def element(**parameters: Any) -> CreateElement:
    """An element of two pictures with these parameters."""
    least = {"element_description": "small blue robot", "reference_type": "image_refer", "element_image_list": PICTURES}
    return CreateElement(**{"element_name": "robot", **least, **parameters})


def images(**members: Any) -> dict[str, Any]:
    """Parameters with these members in `element_image_list`."""
    return {IMAGES: {**PICTURES, **members}}


def videos(*addresses: Any) -> dict[str, Any]:
    """Parameters of an element of these videos."""
    return {**OF_A_VIDEO, VIDEO: {"refer_videos": [*addresses]}}


def test_what_is_sent() -> None:
    """Pictures, videos and tags are sent as the documented objects, also if given as plain values."""
    voice = Voice(voice_id="867283741759110600", voice_name="narrator")
    assert to_wire(element(element_voice_id=voice, tag_list=["o_102", {"tag_id": "o_108"}])) == {
        "element_name": "robot",
        "element_description": "small blue robot",
        "reference_type": "image_refer",
        "element_image_list": {"frontal_image": Image.of(FRONT), "refer_images": [{"image_url": Image.of(SIDE)}]},
        "element_voice_id": "867283741759110600",
        "tag_list": [{"tag_id": "o_102"}, {"tag_id": "o_108"}],
    }
    assert "element_voice_id" not in to_wire(element(element_voice_id=""))
    by_record = ElementVideoList(refer_videos=[CLIP])
    for given in (VIDEOS, {"refer_videos": [CLIP]}, by_record):
        sent = to_wire(element(**{**OF_A_VIDEO, "element_video_list": given}))
        assert sent["element_video_list"] == VIDEOS
        assert "element_image_list" not in sent


def test_its_pictures_are_checked() -> None:
    """Each picture is checked under its own field, with the limits of all pictures; files and bytes are valid."""
    request = element(element_image_list={"frontal_image": b"\x89PNG", "refer_images": [Path("a.png"), SIDE]})
    places = [
        "element_image_list.frontal_image",
        "element_image_list.refer_images[0]",
        "element_image_list.refer_images[1]",
    ]
    assert [*files_of(request)] == places
    small = ImageFacts(size=1000, header=ImageHeader(format="png", width=299, height=300, complete=True))
    problems = ENDPOINT.problems(request, {places[1]: small})
    assert [(problem.field, "at least 300" in problem.message) for problem in problems] == [(places[1], True)]


def test_a_video_of_an_earlier_task() -> None:
    """An earlier video is sent as its address, hidden in reprs; old ones warn, one without an address is refused."""
    made = datetime(2026, 9, 1, tzinfo=UTC)
    video = Video(id="1", url=f"{CLIP}?SIGNATURE", created_at=made)
    for given in (video, {"video_url": video}):
        request = element(**videos(given))
        assert to_wire(request)[VIDEO] == {"refer_videos": [{"video_url": f"{CLIP}?SIGNATURE"}]}
        assert "SIGNATURE" not in repr(request)
        [problem] = ENDPOINT.problems(request, {}, made + timedelta(days=29))
        assert (problem.field, problem.only_warns) == (f"{VIDEO}.refer_videos[0]", True)
    [problem] = ENDPOINT.problems(element(**videos(Video(id="1", url=""))), {})
    assert problem.message.startswith("is required")


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"element_name": "x" * 20, "element_description": "y" * 100},
        {"element_image_list": {**PICTURES, "refer_images": [SIDE, SIDE, {"image_url": SIDE}]}},
        OF_A_VIDEO,
        {**OF_A_VIDEO, "element_image_list": PICTURES},
        {"element_voice_id": "867283741759110600", "tag_list": ["o_101"]},
        {"element_voice_id": "", "tag_list": [], "callback_url": "", "external_task_id": ""},
        {"tag_list": ["a tag of tomorrow"], "callback_url": "https://h/x", "external_task_id": "mine"},
    ],
    ids=str,
)
def test_what_passes(parameters: dict[str, Any]) -> None:
    """Documented values are valid; empty values count as omitted."""
    assert ENDPOINT.problems(element(**parameters), {}) == []


@pytest.mark.parametrize(
    ("parameters", "field", "expected_text"),
    [
        ({"element_name": ""}, "element_name", "is required"),
        ({"element_name": "x" * 21}, "element_name", "21 characters; at most 20"),
        ({"element_name": 5}, "element_name", "expected text"),
        ({"element_description": None}, "element_description", "is required"),
        ({"element_description": "x" * 101}, "element_description", "101 characters; at most 100"),
        ({"reference_type": "picture"}, "reference_type", "use image_refer or video_refer"),
        ({"element_image_list": None}, IMAGES, "is required with this"),
        ({"element_image_list": [FRONT]}, IMAGES, "expected ElementImageList or a dict"),
        ({"element_image_list": {"frontal_image": FRONT}}, IMAGES, "missing key 'refer_images'"),
        (images(frontal_image=None), f"{IMAGES}.frontal_image", "is required"),
        (
            images(frontal_image="data:image/png;base64,AA"),
            f"{IMAGES}.frontal_image",
            "'data:' address is not accepted",
        ),
        (images(refer_images=[]), f"{IMAGES}.refer_images", "1 to 3 pictures"),
        (images(refer_images=[SIDE] * 4), f"{IMAGES}.refer_images", "has 4 entries; at most 3"),
        (images(refer_images=SIDE), f"{IMAGES}.refer_images", "expected a list"),
        (images(refer_images=[{"image": SIDE}]), f"{IMAGES}.refer_images[0]", "expected a path"),
        ({**OF_A_VIDEO, VIDEO: None}, VIDEO, "is required with this"),
        ({**OF_A_VIDEO, VIDEO: CLIP}, VIDEO, "expected ElementVideoList or a dict"),
        (videos(), f"{VIDEO}.refer_videos", "1 video"),
        (videos(CLIP, CLIP), f"{VIDEO}.refer_videos", "has 2 entries; at most 1"),
        (videos("clip.mp4"), f"{VIDEO}.refer_videos[0]", "no address"),
        (videos(""), f"{VIDEO}.refer_videos[0]", "is required"),
        (videos({"url": CLIP}), f"{VIDEO}.refer_videos[0]", "expected an address"),
        ({"element_voice_id": 5}, "element_voice_id", "expected text"),
        ({"tag_list": "o_102"}, "tag_list", "expected a list"),
        ({"tag_list": [""]}, "tag_list[0]", "is required"),
        ({"tag_list": [102]}, "tag_list[0]", "expected text"),
        ({"callback_url": "me.example"}, "callback_url", "expected an http"),
        ({"external_task_id": ".."}, "external_task_id", "cannot be looked up"),
    ],
    ids=str,
)
def test_what_is_refused(parameters: dict[str, Any], field: str, expected_text: str) -> None:
    """Each broken rule is reported once, with its field and the valid values."""
    [problem] = ENDPOINT.problems(element(**parameters), {})
    assert (problem.field, problem.only_warns) == (field, False)
    assert expected_text in problem.message


def test_all_problems_are_reported_at_once() -> None:
    """All problems of a request are reported together."""
    request = CreateElement("", element_description="", reference_type="")  # type: ignore[arg-type]  # not documented
    assert [problem.field for problem in ENDPOINT.problems(request, {})] == [
        "element_name",
        "element_description",
        "reference_type",
    ]


def test_a_video_beside_pictures_only_warns() -> None:
    """By the documentation it has no effect: it is sent, with a warning."""
    [problem] = ENDPOINT.problems(element(element_video_list=VIDEOS), {})
    assert (problem.field, problem.only_warns) == ("element_video_list", True)


def test_signatures_stay_out_of_the_repr() -> None:
    """An address of a video or a picture is shown without its query."""
    signed = f"{CLIP}?Signature=secret"
    request = element(**{**OF_A_VIDEO, VIDEO: {"refer_videos": [signed]}, **images(frontal_image=signed)})
    assert "secret" not in repr(request)
    assert f"refer_videos=['{CLIP}']" in repr(request)
    assert "refer_videos=Malformed" in repr(element(**{VIDEO: {"refer_videos": CLIP}}))


def test_the_endpoint() -> None:
    """The endpoint is found by its record and its references; its tasks make elements, free of charge, in seconds."""
    assert endpoint_of(element()) is ENDPOINT
    assert endpoint_named("general/advanced-custom-elements") is ENDPOINT
    assert (ENDPOINT.result, ENDPOINT.finds_by_external_id, ENDPOINT.page_maximum) == (ResultKind.ELEMENT, True, 500)
    assert ENDPOINT.estimate(element()).units == Decimal(0)
    assert ENDPOINT.typical_seconds(None) == 5
