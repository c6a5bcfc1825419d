import base64
import json
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoints.videos.image_to_video import ENDPOINT as IMAGE_TO_VIDEO
from kling_async.protocol.endpoints.videos.image_to_video import ImageToVideo
from kling_async.protocol.media.image import Image
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.requests import HttpRequest

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)
ENCODED = base64.b64encode(PICTURE).decode()
URL = 'https://h/a.png?x="1"&y=ü'
LEAST = {"model_name": "kling-v2-6", "duration": "5"}


def sent(request: ImageToVideo) -> Any:
    """The JSON that a create sends, with the pictures encoded in their places."""
    body = requests.create(IMAGE_TO_VIDEO, request).body
    assert not any(isinstance(a, Image) == isinstance(b, Image) for a, b in pairwise(body))
    return json.loads(
        b"".join(part if isinstance(part, bytes) else requests.encode_piece(part.data or b"") for part in body)
    )


@pytest.mark.parametrize(
    ("parameters", "members"),
    [
        ({}, {}),
        ({"image": PICTURE}, {"image": ENCODED}),
        ({"image": b""}, {"image": ""}),
        ({"image": URL}, {"image": URL}),
        ({"image": PICTURE, "image_tail": URL}, {"image": ENCODED, "image_tail": URL}),
        ({"image_tail": PICTURE}, {"image_tail": ENCODED}),
        ({"static_mask": PICTURE}, {"static_mask": ENCODED}),
        ({"model_name": "kling-v3"}, {"model_name": "kling-v3"}),
        ({"prompt": 'say "hi"\n\\ ü 🐈'}, {"prompt": 'say "hi"\n\\ ü 🐈'}),
        ({"prompt": "", "negative_prompt": "dogs"}, {"prompt": "", "negative_prompt": "dogs"}),
        ({"duration": 10}, {"duration": "10"}),
        ({"duration": "10"}, {"duration": "10"}),
        ({"sound": True}, {"sound": "on"}),
        ({"sound": "off"}, {"sound": "off"}),
        ({"cfg_scale": 0.5, "mode": "pro"}, {"cfg_scale": 0.5, "mode": "pro"}),
        ({"cfg_scale": 0}, {"cfg_scale": 0}),
        ({"multi_shot": False}, {"multi_shot": False}),
        (
            {
                "multi_shot": True,
                "shot_type": "customize",
                "multi_prompt": [
                    {"index": 1, "prompt": "p", "duration": 2},
                    {"index": 2, "prompt": "q", "duration": "3"},
                ],
            },
            {
                "multi_shot": True,
                "shot_type": "customize",
                "multi_prompt": [
                    {"index": 1, "prompt": "p", "duration": "2"},
                    {"index": 2, "prompt": "q", "duration": "3"},
                ],
            },
        ),
        (
            {"element_list": [829836802793406551, "7"]},
            {"element_list": [{"element_id": 829836802793406551}, {"element_id": 7}]},
        ),
        ({"element_list": []}, {"element_list": []}),
        ({"voice_list": ["829", "830"]}, {"voice_list": [{"voice_id": "829"}, {"voice_id": "830"}]}),
        (
            {
                "dynamic_masks": [
                    {"mask": m, "trajectories": [{"x": 1, "y": 2}, {"x": "3", "y": 4}]} for m in (PICTURE, URL)
                ]
            },
            {
                "dynamic_masks": [
                    {"mask": m, "trajectories": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]} for m in (ENCODED, URL)
                ]
            },
        ),
        ({"camera_control": {"type": "down_back"}}, {"camera_control": {"type": "down_back"}}),
        (
            {"camera_control": {"type": "simple", "config": {"pan": -7.5}}},
            {
                "camera_control": {
                    "type": "simple",
                    "config": {"horizontal": 0, "vertical": 0, "pan": -7.5, "tilt": 0, "roll": 0, "zoom": 0},
                }
            },
        ),
        ({"watermark_info": {"enabled": False}}, {"watermark_info": {"enabled": False}}),
        ({"watermark_info": {"enabled": None}}, {"watermark_info": {}}),
        (
            {"callback_url": "https://h/c", "external_task_id": "mine"},
            {"callback_url": "https://h/c", "external_task_id": "mine"},
        ),
        ({"callback_url": "", "external_task_id": ""}, {}),
    ],
)
def test_a_request_is_sent_as_documented(parameters: dict[str, Any], members: dict[str, Any]) -> None:
    """The body has the documented members and forms, and nothing for what was not given."""
    assert {**LEAST, **members} == sent(ImageToVideo(**parameters))


def test_numbers_keep_their_kind() -> None:
    """A float is sent as a float and an integer as an integer; durations are text."""
    body = sent(ImageToVideo(cfg_scale=1, element_list=[7], camera_control={"type": "simple", "config": {}}))
    kinds = [type(body[name]) for name in ("cfg_scale", "duration")]
    kinds += [type(body["element_list"][0]["element_id"]), type(body["camera_control"]["config"]["pan"])]
    assert kinds == [int, str, int, float]


def test_a_create_is_a_post_whose_repr_hides_the_body() -> None:
    """A create goes to the endpoint's path; its repr shows no picture and no prompt."""
    request = requests.create(IMAGE_TO_VIDEO, ImageToVideo(image=PICTURE, prompt="PROMPT"))
    assert repr(request) == "HttpRequest(method='POST', path='/v1/videos/image2video', once=False)"


_ANY = st.text(max_size=8)


@given(prompt=_ANY, external_task_id=_ANY.filter(bool), picture=st.binary(max_size=40))
def test_any_text_and_picture_arrive(prompt: str, external_task_id: str, picture: bytes) -> None:
    """Whatever the letters and bytes, the body is JSON with the same values."""
    request = ImageToVideo(image=picture, prompt=prompt, external_task_id=external_task_id)
    expected = {
        "image": base64.b64encode(picture).decode(),
        "prompt": prompt,
        "external_task_id": external_task_id,
        **LEAST,
    }
    assert expected == sent(request)


@pytest.mark.parametrize(
    ("id_", "path"),
    [
        ("8429", "/v1/videos/image2video/8429"),
        ("a/b?c#d", "/v1/videos/image2video/a%2Fb%3Fc%23d"),
        ("../x", "/v1/videos/image2video/..%2Fx"),
        ("ü %41", "/v1/videos/image2video/%C3%BC%20%2541"),
    ],
)
def test_an_id_is_one_segment_of_the_path(id_: str, path: str) -> None:
    """Ids are quoted, so that none can reach another path or add a query."""
    assert HttpRequest("GET", path) == requests.query(IMAGE_TO_VIDEO, id_)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_id_arrives(id_: str) -> None:
    """The quoted id is one segment that reads back as the same id."""
    path = requests.query(IMAGE_TO_VIDEO, id_).path
    prefix, _, segment = path.rpartition("/")
    assert (prefix, unquote(segment)) == (IMAGE_TO_VIDEO.path, id_)
    assert not {*"?#% "} & {*segment.replace("%", "")}


def test_a_page_is_requested_by_number_and_size() -> None:
    """The list takes `pageNum` and `pageSize`, within documented limits."""
    expected = HttpRequest("GET", "/v1/videos/image2video", (("pageNum", "2"), ("pageSize", "500")))
    assert expected == requests.page(IMAGE_TO_VIDEO, 2, 500)
    assert (requests.PAGE_NUMBER_MAXIMUM, requests.PAGE_SIZE_MAXIMUM) == (1000, 500)


@given(st.integers(0, 5000))
def test_the_length_of_base64_is_known_beforehand(size: int) -> None:
    """The content length of a body follows from the sizes of its pictures alone."""
    assert len(requests.encode_piece(bytes(size))) == requests.encoded_length(size)


@given(st.binary(max_size=60), st.integers(1, 8))
def test_pieces_of_base64_join(picture: bytes, thirds: int) -> None:
    """Pieces of a multiple of 3 bytes, encoded one by one, are the base64 of the whole."""
    assert requests.FILE_PIECE % 3 == 0
    view, piece = memoryview(picture), 3 * thirds
    joined = b"".join(requests.encode_piece(view[at : at + piece]) for at in range(0, len(view), piece))
    assert base64.b64encode(picture) == joined


def test_the_endpoint_is_found_by_the_record() -> None:
    """Each endpoint is found by its name and by the record it takes; other things belong to none."""
    assert endpoint_named("image2video") is IMAGE_TO_VIDEO
    assert endpoint_of(ImageToVideo()) is IMAGE_TO_VIDEO
    assert endpoint_of(Task(endpoint="image2video", task_id="8", status=TaskStatus.FAILED)) is None
