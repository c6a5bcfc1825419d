"""Creates: requests that the service was observed to accept and to refuse."""

from typing import Any

import pytest

from tests.emulator.conftest import Caller, Clock, base64_png
from tests.protocol.recorded_bodies import OTHERS, RECORDED

from .bodies import (
    CLIP,
    MOTION,
    O1,
    OMNI,
    REQUESTS,
    TEXT_TURBO,
    TEXT_V3,
    TURBO,
    V2_6,
    V3,
    Body,
    ended,
    is_refused,
    item,
    made,
    of,
    reachable,
    shape,
    task,
    words,
)


def test_all_recorded_requests_are_here() -> None:
    """There are twelve official requests to nine paths."""
    assert len(REQUESTS) == 12
    assert len({path for path, _ in REQUESTS.values()}) == 9


@pytest.mark.parametrize("name", REQUESTS)
async def test_documented_requests_are_taken(caller: Caller, strict: Caller, name: str) -> None:
    """An official request is accepted, even by a strict emulator, and the answer has the recorded form."""
    path, body = REQUESTS[name]
    for each in (caller, strict):
        answer = await each.post(path, body)

        assert (answer.status, answer.code) == (200, 0)
        assert shape(answer.body) == shape(RECORDED["new_create_ok"]["body"])
        assert answer.body["data"]["external_id"] == body["options"]["external_task_id"]


@pytest.mark.parametrize(
    ("name", "path", "units"),
    [
        ("bad_req_i2v_2_6_native_720p", V2_6, "1.5"),
        ("bad_req_legacy_fields_on_new_path", TURBO, "4"),
        ("bad_req_legacy_fields_on_new_path", V3, "3"),
        ("bad_req_omni_foreign_types", OMNI, "3"),
    ],
)
async def test_unknown_members_are_ignored_and_billed(
    caller: Caller, clock: Clock, name: str, path: str, units: str
) -> None:
    """Unknown members are ignored, and the default is made and billed."""
    shown = await ended(caller, clock, path, reachable(OTHERS[name]["body"]))

    entry = caller.emulator.ledger.entries[0]
    assert (entry.mode, entry.duration, entry.external_task_id) == ("720p", 5, "")
    assert (shown["status"], shown["billing"][0]["amount"]) == ("succeeded", units)
    assert caller.emulator.ledger.callbacks == []


async def test_bad_requests_are_refused_where_it_is_strict(strict: Caller) -> None:
    """A strict emulator refuses all recorded bad requests, and bills nothing."""
    for name, path in (
        ("bad_req_i2v_2_6_native_720p", V2_6),
        ("bad_req_legacy_fields_on_new_path", TURBO),
        ("bad_req_omni_foreign_types", OMNI),
    ):
        answer = await strict.post(path, OTHERS[name]["body"])
        assert (answer.status, answer.code) == (400, 1201)

    assert (strict.emulator.ledger.created, strict.emulator.ledger.charged) == (0, 0)


@pytest.mark.parametrize("path", [OMNI, TURBO, V3])
async def test_materials_of_other_paths_are_not_even_fetched(caller: Caller, clock: Clock, path: str) -> None:
    """A type of another path is ignored, so its URL need not be reachable."""
    foreign = [item("voice", "1"), item("image", "https://h.invalid/a.png"), item("video", "https://h.invalid/v.mp4")]

    shown = await ended(caller, clock, path, of("prompt", "first_frame", *foreign))

    assert shown["status"] == "succeeded"


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("error_1201_contents_empty", TURBO, {"contents": []}),
        ("error_1201_contents_empty", V3, {"prompt": "a cat"}),
        ("error_1201_contents_not_array", TURBO, {"contents": {"type": "prompt"}}),
        ("error_1201_content_type_invalid", OMNI, {"contents": [{"type": "x"}]}),
        ("error_1201_prompt_blank", OMNI, of(item("prompt", " "))),
        ("error_1201_first_frame_blank", TURBO, {"contents": [{"type": "first_frame", "url": ""}]}),
        ("error_1201_video_url_invalid", OMNI, of("prompt", item("video", "AAAA"))),
        ("error_1201_video_url_invalid", TURBO, of("prompt", "first_frame", item("base_video", "/home/a.mp4"))),
        ("error_1201_element_not_found", OMNI, of("prompt", "first_frame", item("element", "1"))),
        ("error_1201_element_not_found", TURBO, of("prompt", "first_frame", item("element", "1"))),
        ("error_1201_audio_mode", OMNI, of("prompt", "first_frame", audio="original")),
        ("error_1201_audio_mode", TEXT_V3, words(audio="original")),
        ("error_1201_seed_invalid", OMNI, of("prompt", "first_frame", seed="x")),
        ("error_1201_resolution_480p", TEXT_TURBO, words(resolution="480p")),
        ("error_1201_aspect_ratio_missing", OMNI, of("prompt", "refer_image")),
        ("error_1201_aspect_ratio_missing", O1, of("prompt", "last_frame")),
        ("error_1201_prompt_required", TEXT_TURBO, {"settings": {}}),
        ("error_1201_prompt_required", TEXT_V3, words(" ")),
        ("error_1201_o1_duration", O1, of("prompt", "first_frame", duration=7)),
        ("error_1201_o1_duration", O1, of("prompt", duration="3", aspect_ratio="1:1")),
        ("error_1201_path_model_not_supported", "/image-to-video/kling-9", of("prompt")),
        ("error_1201_path_model_not_supported", "/omni-video/kling-4.0", of("prompt")),
    ],
)
async def test_refusals_are_worded_as_recorded(caller: Caller, name: str, path: str, body: Body) -> None:
    """Requests that the service was observed to refuse are refused with its message, and nothing is created."""
    answer = await caller.post(path, body)

    recorded = OTHERS[name]
    assert (answer.status, answer.body.keys()) == (recorded["_meta"]["http_status"], recorded["body"].keys())
    assert (answer.code, answer.message) == (recorded["body"]["code"], recorded["body"]["message"])
    assert caller.emulator.ledger.created == 0


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (OMNI, {"contents": ["prompt"]}, "contents[0] value type is invalid, expected object"),
        (OMNI, {"contents": [{"text": "a cat"}]}, "contents[0].type value '' is invalid"),
        (OMNI, of("prompt", {"type": "element"}), "content item of type 'element' must have a non-blank element_id"),
        (OMNI, of("prompt", item("element", "hero")), "Invalid element id"),
        (TURBO, of("prompt"), "content item of type 'first_frame' is required"),
        (TURBO, of(item("first_frame", "data:image/png;base64,AAAA")), "File is not in a valid base64 format"),
        (TURBO, of("first_frame") | {"settings": 5}, "settings must be an object"),
        (TURBO, of("first_frame") | {"options": {"callback_url": "me"}}, "callback_url is invalid"),
        (MOTION, of("prompt", "image", character_orientation="image"), "content item of type 'video' is required"),
        (MOTION, of("image", "video"), "settings.character_orientation is required"),
        (MOTION, of("image", "video", character_orientation="me"), "settings.character_orientation value 'me'"),
        (TEXT_V3, words(resolution="1080P"), "settings.resolution value '1080P' is invalid"),
        (TEXT_TURBO, words(resolution="4k"), "video resolution value '4k' is invalid"),
        (TEXT_V3, words(aspect_ratio="21:9"), "settings.aspect_ratio value '21:9' is invalid"),
        (TEXT_V3, words(audio="on"), "settings.audio value 'on' is invalid"),
        (TEXT_V3, words(multi_shot="maybe"), "multi_shot must be a boolean"),
        (TEXT_V3, words(duration="long"), "settings.duration value 'long' is invalid"),
        (TEXT_V3, words(duration=4.5), "settings.duration value '4.5' is invalid"),
        (TEXT_V3, words(duration=-1), "settings.duration value '-1' is invalid"),
        (TEXT_V3, words(duration=True), "settings.duration value 'True' is invalid"),
        (TEXT_V3, words("x" * 3073), "prompt: size must be between 0 and 3072"),
    ],
)
async def test_unusable_requests_are_refused(caller: Caller, path: str, body: Body, message: str) -> None:
    """Unusable requests are refused, too, with the emulator's own message if none is known."""
    assert is_refused(await caller.post(path, body), message)


@pytest.mark.parametrize(("requested", "seconds"), [("7", 7), (0, 3), (1, 3), (20, 15), (None, 5), ("", 5)])
async def test_any_number_of_seconds_is_taken(caller: Caller, clock: Clock, requested: Any, seconds: int) -> None:
    """Numbers in strings and unsupported lengths are accepted: the model makes a supported one."""
    shown = await ended(caller, clock, TEXT_TURBO, words(duration=requested))

    assert shown["outputs"][0]["duration"] == f"{seconds}.041"
    assert caller.emulator.ledger.entries[0].duration == seconds


async def test_the_legacy_spelling_of_omni_is_taken(caller: Caller) -> None:
    """The path of 3.0-omni has a second name, of the same model."""
    await made(caller, "/omni-video/kling-v3-omni", of("prompt", aspect_ratio="1:1"))

    assert caller.emulator.ledger.entries[0].model_name == "kling-3.0-omni"


async def test_words_that_refuse_or_fail_a_task(caller: Caller, clock: Clock) -> None:
    """As on legacy paths, a prompt can make the emulator refuse a task, or make it fail."""
    refused = await caller.post(TEXT_TURBO, words("refused"))
    failed = await ended(caller, clock, TEXT_TURBO, words("forbidden"))

    assert (refused.status, refused.code) == (400, 1301)
    assert (failed["status"], failed["outputs"], failed["billing"]) == ("failed", [], [{"amount": "0"}])


@pytest.mark.parametrize(
    ("path", "contents"),
    [
        (TURBO, [item("first_frame", "https://h.invalid/a.png")]),
        (OMNI, ["prompt", item("base_video", "https://h.invalid/v.mp4")]),
        (MOTION, ["image", item("video", "https://h.invalid/v.mp4")]),
    ],
)
async def test_what_cannot_be_fetched_fails_later(
    caller: Caller, clock: Clock, path: str, contents: list[Body | str]
) -> None:
    """An unreachable URL is not refused: the task fails, and costs nothing."""
    orientation = {"character_orientation": "video"} if path == MOTION else {}
    shown = await ended(caller, clock, path, of(*contents, **orientation))

    (recorded,) = OTHERS["new_tasks_get_failed_unreachable_frame_live"]["body"]["data"]
    assert shape(shown) == shape(recorded)
    assert {name: shown[name] for name in ("status", "message", "outputs", "billing")} == {
        name: recorded[name] for name in ("status", "message", "outputs", "billing")
    }
    assert caller.emulator.ledger.charged == 0


async def test_pictures_in_base64(caller: Caller, clock: Clock) -> None:
    """A picture may be given in base64: the clip has its ratio; neither ledger nor page contain the data."""
    tall = base64_png(400, 600)
    shown = await ended(caller, clock, V3, of(item("first_frame", tall), item("image", tall), resolution="4k"))
    state = (await caller.request("GET", "/_emulator/state")).body

    assert shown["status"] == "succeeded"
    assert (state["tasks"][0]["width"], state["tasks"][0]["height"]) == (2160, 3240)
    assert tall not in str(caller.emulator.ledger.entries) + str(state)


async def test_own_results_as_materials(caller: Caller, clock: Clock) -> None:
    """A clip follows a video of the account in length, and is billed by it; one that is too long makes it fail."""
    long = await ended(caller, clock, TEXT_TURBO, words(duration=12))
    url = long["outputs"][0]["url"]

    edited = await ended(caller, clock, OMNI, of("prompt", item("base_video", url), resolution="1080p", duration=4))
    moved = await ended(caller, clock, MOTION, of("image", item("video", url), character_orientation="video"))
    failed = await ended(caller, clock, O1, of("prompt", item("base_video", url)))

    assert [each["outputs"][0]["duration"] for each in (edited, moved)] == ["12.041"] * 2
    assert [each["billing"][0]["amount"] for each in (edited, moved)] == ["14.4", "10.8"]
    assert (failed["status"], "duration" in failed["message"]) == ("failed", True)


async def test_time_passes_as_measured(caller: Caller, clock: Clock) -> None:
    """A short clip of the turbo is finished long before one of the omni model."""
    fast = await made(caller, TEXT_TURBO, words(duration=3))
    slow = await made(caller, OMNI, of("prompt", item("base_video", CLIP), resolution="4k"))
    clock.advance(60)

    assert [(await task(caller, each))["status"] for each in (fast, slow)] == ["succeeded", "processing"]
