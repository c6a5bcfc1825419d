"""Each kind of result is read with all its members, and spoils nothing where it is malformed."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from kling_async.protocol.endpoints import ImageToVideo
from kling_async.protocol.media.picture import Picture
from kling_async.protocol.results import Audio, Element, Video, Voice
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire import responses
from kling_async.protocol.wire.codec import task_from_wire, to_wire
from kling_async.protocol.wire.results import DEEPEST
from tests.repeatable import pickled

from .recorded_bodies import FOLDER, OTHERS, recorded

HOST = "https://v1-kling.example.invalid"
MEMBERS = ("videos", "images", "audios", "voices", "elements")

# How many of each recorded body holds, in the order of MEMBERS.
NEW: dict[tuple[str, int], tuple[int, ...]] = {
    ("new_outputs_variants", 0): (1, 1, 1, 1, 1),
    ("new_outputs_unknown_type", 0): (0, 0, 0, 0, 0),
    ("new_tasks_get_legacy_tasks", 0): (1, 0, 0, 0, 0),
    ("new_tasks_get_legacy_tasks", 1): (0, 1, 0, 0, 0),
    ("new_tasks_get_legacy_tasks", 2): (0, 0, 0, 0, 1),
}


def counts(task: Task) -> tuple[int, ...]:
    """How many results of each kind there are."""
    return tuple(len(getattr(task, member)) for member in MEMBERS)


def made(result: Any) -> Task:
    """A task of the legacy shape with this result."""
    return task_from_wire({"task_id": "8", "task_status": "succeed", "task_result": result}, "image2video")


def outputs(*items: Any) -> Task:
    """A task of the new generation with these outputs."""
    return task_from_wire({"id": "8", "status": "succeeded", "outputs": [*items]}, "image2video")


def queried(name: str) -> Task:
    """A recorded answer to a query, read."""
    return responses.task(recorded(name), "image2video", OTHERS[name]["body"]["data"]["task_id"])


def test_every_recorded_output_is_looked_at() -> None:
    """No recorded body that shows what outputs look like is forgotten."""
    assert {path.stem for path in (FOLDER / "new").glob("new_outputs_*.json")} <= {name for name, _ in NEW}


@pytest.mark.parametrize(("name", "place"), NEW)
def test_recorded_outputs_of_the_new_generation_are_read(name: str, place: int) -> None:
    """The one array of the new generation becomes the same records."""
    data = OTHERS[name]["body"]["data"][place]
    task = task_from_wire(data, "image2video")
    assert counts(task) == NEW[name, place]
    assert task.raw == data["outputs"]


def test_pictures_are_read_with_their_watermarked_variants() -> None:
    """Pictures have the service's number, and come in its order."""
    assert queried("images_generations_query_succeed").images == tuple(
        Picture(
            index=index,
            url=f"{HOST}/output/image-{index}.png",
            watermark_url=f"{HOST}/output/image-{index}-watermark.png",
        )
        for index in (0, 1)
    )


def test_a_series_is_pictures() -> None:
    """`series_images` follow `images`, of which a series has none."""
    assert [picture.url[-11:] for picture in queried("omni_image_series_fixture").images] == [
        "image-0.png",
        "image-1.png",
    ]
    both = made({"images": [{"index": 0, "url": "a"}], "series_images": [{"index": 0, "url": "b"}]})
    assert both.images == (Picture(index=0, url="a"), Picture(index=0, url="b"))


def test_three_views_are_three_pictures() -> None:
    """Views of one subject share its number, and keep their order."""
    images = queried("ai_multi_shot_query_succeed").images
    assert [(picture.index, picture.url) for picture in images] == [
        (group, f"{HOST}/shot/{group}-{view}.png") for group in range(3) for view in (1, 2, 3)
    ]


def test_sound_is_read_in_both_formats() -> None:
    """The MP3 is the sound, the WAV its other format; speech has only one. A dubbed video comes with it."""
    both = Audio(
        id="867283741759110500",
        url=f"{HOST}/audio/500.mp3",
        url_wav=f"{HOST}/audio/500.wav",
        duration=Decimal("5.067"),
        duration_wav=Decimal("5.000"),
    )
    assert queried("text_to_audio_query_succeed").audios == queried("video_to_audio_query_succeed").audios == (both,)
    assert queried("video_to_audio_query_succeed").videos[0].url == f"{HOST}/output/video-032.mp4"
    speech = Audio(id="867283741759110501", url=f"{HOST}/audio/501.mp3", duration=Decimal("11.3"))
    assert queried("tts_ok").audios == (speech,)


def test_voices_and_elements_are_read() -> None:
    """A voice and an element have all that the service reports about them; a bound voice is a voice."""
    trial = f"{HOST}/voice/trial-209.wav"
    assert queried("custom_voice_query_succeed_live").voices == (
        Voice(
            voice_id="867283741759110209",
            voice_name="narrator",
            trial_url=trial,
            owned_by="1000001",
            status="succeed",
        ),
    )
    [element] = queried("advanced_elements_query_video_refer").elements
    assert element == Element(
        element_id=867283741759110,
        element_name="robot",
        element_description="small blue robot",
        reference_type="video_refer",
        element_voice_info=Voice(
            voice_id="867283741759110600",
            voice_name="narrator",
            trial_url=f"{HOST}/voice/trial-600.wav",
            owned_by="1000001",
        ),
        owned_by="1000001",
        status="succeed",
    )
    assert queried("advanced_elements_query_succeed").elements[0].element_voice_info is None


def test_outputs_of_the_new_generation_have_the_same_members() -> None:
    """Where the new generation calls a member otherwise, the record calls it as ever."""
    task = task_from_wire(OTHERS["new_outputs_variants"]["body"]["data"][0], "image2video")
    assert task.videos == (
        Video(id="1", url=f"{HOST}/h.mp4", watermark_url=f"{HOST}/h_wm.mp4", duration=Decimal("5.041")),
    )
    assert task.images == (Picture(index=0, url=f"{HOST}/i.png", watermark_url=f"{HOST}/i_wm.png"),)
    seconds = Decimal("5.1")
    sound = Audio(id="2", url=f"{HOST}/j.mp3", url_wav=f"{HOST}/j.wav", duration=seconds, duration_wav=seconds)
    assert task.audios == (sound,)
    anna = Voice(voice_id="829824295735400000", voice_name="Anna")
    assert task.voices == (attrs.evolve(anna, trial_url=f"{HOST}/k.mp3", owned_by="kling", status="succeed"),)
    assert task.elements == (
        Element(
            element_id=163,
            element_name="hero",
            element_description="a test hero",
            reference_type="video_character_elements",
            element_voice_info=attrs.evolve(anna, trial_url=f"{HOST}/m.mp3", owned_by="100000000"),
            owned_by="100000000",
            status="deleted",
        ),
    )


def test_the_two_names_of_an_elements_parts_are_read_alike() -> None:
    """A callback has `materials` where an answer has `references`."""
    called_back = responses.callback(recorded("callback_new_element_materials").body, "image2video").elements
    queried = task_from_wire(OTHERS["new_tasks_get_legacy_tasks"]["body"]["data"][2], "image2video").elements
    assert called_back == queried != ()
    voice = {"type": "voice", "id": "7"}
    for name in ("references", "materials"):
        [element] = outputs({"type": "element", "id": "1", name: [5, {"type": "image"}, voice]}).elements
        assert element.element_voice_info == Voice(voice_id="7")


def test_a_watermark_of_the_new_generation_is_seen_in_pictures_too() -> None:
    """Its answers do not contain the request's option: a watermarked variant shows it."""
    assert outputs({"type": "image", "url": "a", "watermark_url": "b"}).watermark
    assert not outputs({"type": "image", "url": "a"}).watermark


# ------------------------------------------------------------------------------------------------ leniently


@pytest.mark.parametrize("strange", [None, 5, "x", [], {}, True, [[]], {"url": 5}, {"url": ""}, {"id": "1"}])
def test_an_item_that_cannot_be_read_hides_no_other(strange: Any) -> None:
    """The valid items of each array are kept, whatever the others."""
    good = {
        "videos": {"id": "1", "url": "v"},
        "images": {"index": 0, "url": "i"},
        "series_images": {"index": 0, "url": "s"},
        "audios": {"id": "1", "url": "a"},
        "voices": {"voice_id": "1"},
        "elements": {"element_id": 1},
    }
    assert counts(made({name: [strange, item, strange] for name, item in good.items()})) == (1, 2, 1, 1, 1)
    for name in good:
        others = {other: [item] for other, item in good.items() if other != name}
        assert sum(counts(made({**others, name: strange}))) == 5


@pytest.mark.parametrize(
    ("item", "picture"),
    [
        ({"url": "u"}, Picture(index=1, url="u")),
        ({"index": "0", "url": "u"}, Picture(index=1, url="u")),
        ({"index": True, "url": "u"}, Picture(index=1, url="u")),
        ({"index": -1, "url": "u"}, Picture(index=1, url="u")),
        ({"index": 7, "watermark_url": "w"}, Picture(index=7, url="", watermark_url="w")),
        ({"index": 7, "url_2": "u"}, Picture(index=7, url="u")),
    ],
)
def test_a_picture_without_a_number_has_its_place(item: dict[str, Any], picture: Picture) -> None:
    """A number that cannot be read is the place in the array."""
    assert made({"images": [{"index": 0, "url": "first"}, item]}).images[1] == picture


@pytest.mark.parametrize(
    ("item", "audio"),
    [
        ({"url_wav": "w"}, Audio(id="", url="", url_wav="w")),
        ({"id": 5, "url_mp3": "m", "duration_mp3": 2}, Audio(id="5", url="m", duration=Decimal(2))),
        ({"url": "u", "url_mp3": 7, "duration": "x"}, Audio(id="", url="u")),
    ],
)
def test_sound_in_one_format_is_sound(item: dict[str, Any], audio: Audio) -> None:
    """One address is enough."""
    assert made({"audios": [item]}).audios == (audio,)


@pytest.mark.parametrize("number", [None, "x", "", True, 1.5, -1, "-1", [], "9" * 5000, 10**50, "٣"])
def test_an_element_without_a_number_is_none(number: Any) -> None:
    """The number is what an element is used by: without it there is none."""
    assert made({"elements": [{"element_id": number, "element_name": "n"}]}).elements == ()
    assert outputs({"type": "element", "id": number}).elements == ()


@pytest.mark.parametrize("number", [2**63 - 1, str(2**63 - 1)])
def test_an_elements_number_keeps_every_digit(number: Any) -> None:
    """Numbers beyond 2**53 come as numbers or as text."""
    assert made({"elements": [{"element_id": number}]}).elements == (Element(element_id=2**63 - 1),)


def test_names_that_are_no_text_are_left_out() -> None:
    """What adorns a voice may be anything; an owner may come as a number."""
    strange = {"voice_id": 7, "voice_name": {}, "trial_url": 5, "owned_by": 1000001, "status": None}
    assert made({"voices": [strange]}).voices == (Voice(voice_id="7", owned_by="1000001"),)
    [voice] = made({"voices": [{"voice_id": "7", "voice_name": "a\n\ud800" + "b " * 999}]}).voices
    assert voice.voice_name.isprintable()
    assert len(voice.voice_name) <= 200


# ------------------------------------------------------------------------------------- what is not known


@pytest.mark.parametrize("result", [None, 5, "x", [1], {"models": [{"url": "https://h/m.glb?sign=SECRET"}]}])
def test_results_of_an_unknown_kind_are_kept_as_received(result: Any) -> None:
    """Whatever a task of an unknown kind made is in `raw`; it is pickled, and not in the repr."""
    task = made(result)
    assert pickled(task).raw == result
    assert counts(task) == (0, 0, 0, 0, 0)
    assert "SECRET" not in repr(task)
    assert hash(task) == hash(pickled(task))


@pytest.mark.parametrize(("depth", "kept"), [(DEEPEST, True), (DEEPEST + 1, False)])
def test_results_that_are_nested_endlessly_are_not_kept(depth: int, *, kept: bool) -> None:
    """They could not be pickled; the task that is paid for can."""
    deep: Any = 1
    for level in range(depth):
        deep = [deep] if level % 2 else {"more": deep}
    assert made(deep).raw == (deep if kept else None)


def test_no_repr_shows_a_signature() -> None:
    """The addresses of all results are signed; their reprs omit the signatures, and show missing addresses."""
    signed = "https://user:SECRET@h/a.png?sign=SECRET#SECRET"
    task = made(
        {
            "videos": [{"url": signed, "watermark_url": signed}],
            "images": [{"url": signed, "watermark_url": signed}],
            "audios": [{"url_mp3": signed, "url_wav": signed}],
            "voices": [{"voice_id": "1", "trial_url": signed}],
            "elements": [{"element_id": 1, "element_voice_info": {"voice_id": "1", "trial_url": signed}}],
        }
    )
    assert counts(task) == (1, 1, 1, 1, 1)
    assert "SECRET" not in repr(task)
    assert repr(task).count("https://h/a.png") == 8
    assert "trial_url=None" in repr(Voice(voice_id="1"))


def test_only_the_id_of_a_result_goes_onto_the_wire() -> None:
    """An element or a voice that a task made is used as it is: the service gets its id."""
    [element] = queried("advanced_elements_query_video_refer").elements
    [voice] = queried("custom_voice_query_succeed_live").voices
    body = to_wire(ImageToVideo(image=b"x", element_list=[element], voice_list=[voice]))
    assert body["element_list"] == [{"element_id": 867283741759110}]
    assert body["voice_list"] == [{"voice_id": "867283741759110209"}]
