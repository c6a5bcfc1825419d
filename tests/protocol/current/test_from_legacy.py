"""Legacy requests as requests of the current generation."""

from typing import Any

import pytest

import kling_async
from kling_async import ImageToVideo, InvalidRequest, MotionControl, OmniVideo, TextToVideo, Video, current
from kling_async.protocol.endpoints.current import checks, table
from kling_async.protocol.endpoints.current.request import compose

CAT = "https://files.example/cat.png"
CLIP = "https://files.example/walk.mp4"
HOOK = "https://hooks.example/kling"


def refused(request: Any, model: str | None = None) -> dict[str, str]:
    """What is refused, by field."""
    with pytest.raises(InvalidRequest) as caught:
        current.from_legacy(request, model)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_from_a_picture() -> None:
    """Frames, names in the prompt, mode, sound and options have their counterparts; materials are named as before."""
    legacy = ImageToVideo(
        CAT,
        model_name="kling-v3",
        image_tail=CAT,
        prompt="<<<element_1>>> greets <<<element_2>>>",
        element_list=[162, 163],
        mode="4k",
        sound=True,
        duration=7,
        callback_url=HOOK,
        external_task_id="job-1",
        watermark_info={"enabled": True},
    )
    made = current.from_legacy(legacy)
    assert made == current.ImageToVideo(
        CAT,
        model="kling-3.0",
        last_frame=CAT,
        prompt="@element_1 greets @element_2",
        elements={"element_1": legacy.element_list[0], "element_2": legacy.element_list[1]},  # type: ignore[index]  # it was given
        resolution="4k",
        audio="native",
        duration=7,
        callback_url=HOOK,
        external_task_id="job-1",
        watermark_info={"enabled": True},
    )
    assert compose(made).body["contents"][3] == {"type": "element", "element_id": "162", "id": "element_1"}


def test_from_words() -> None:
    """Given shots become shots, in their order; with a model that reads them from the prompt nothing else is sent."""
    shots = [{"index": 2, "prompt": "it stops", "duration": "2"}, {"index": 1, "prompt": "a car", "duration": "3"}]
    legacy = TextToVideo(
        model_name="kling-v3",
        multi_shot=True,
        shot_type="customize",
        multi_prompt=shots,
        duration=5,
        mode="std",
        aspect_ratio="1:1",
    )
    expected = {"prompt": "shot 1, 3, a car; shot 2, 2, it stops;"}
    settings = {"resolution": "720p", "aspect_ratio": "1:1", "duration": 5}
    both = {"multi_shot": True, "audio": "off"}
    assert compose(current.from_legacy(legacy)).body == {**expected, "settings": {**settings, **both}}
    turbo = current.from_legacy(legacy, model="kling-3.0-turbo")
    assert compose(turbo).body == {**expected, "settings": settings}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("<<<element_1>>>runs", "@element_1 runs"),
        ("<<<element_1>>>2 dogs", "@element_1 2 dogs"),
        ("<<<element_1>>>, <<<element_1>>>", "@element_1, @element_1"),
        ("<<<element_1>>>\u8dd1", "@element_1\u8dd1"),
    ],
)
def test_names_end(prompt: str, expected: str) -> None:
    """A name has no brackets any more: what follows it is not read as a part of it."""
    legacy = ImageToVideo(CAT, model_name="kling-v3", prompt=prompt, element_list=[162])
    assert current.from_legacy(legacy).prompt == expected


@pytest.mark.parametrize("model", ["kling-3.0-turbo", "kling-2.6"])
def test_one_shot(model: str) -> None:
    """A single shot is omitted if it cannot be expressed; several shots are refused."""
    legacy = ImageToVideo(CAT, model_name="kling-v3", prompt="a cat", multi_shot=False)
    assert not [*checks.of_record(current.from_legacy(legacy, model))]
    several = ImageToVideo(CAT, model_name="kling-v3", prompt="a cat", multi_shot=True, shot_type="intelligence")
    assert [*refused(several, model)] == ["multi_shot"]


def test_from_everything() -> None:
    """Pictures by their types and one video, as it is used; all that a prompt could name keeps its number."""
    legacy = OmniVideo(
        "<<<image_2>>> walks as in <<<video_1>>>",
        model_name="kling-v3-omni",
        image_list=[{"image_url": CAT, "type": "first_frame"}, CAT],
        video_list=[{"video_url": CLIP, "refer_type": "feature"}],
        element_list=[162],
        mode="std",
        duration=5,
    )
    body = compose(current.from_legacy(legacy)).body
    assert [(item["type"], item.get("id")) for item in body["contents"]] == [
        ("prompt", None),
        ("first_frame", "image_1"),
        ("refer_image", "image_2"),
        ("feature_video", "video_1"),
        ("element", "element_1"),
    ]
    assert body["contents"][0]["text"] == "@image_2 walks as in @video_1"
    assert body["settings"] == {"multi_shot": False, "audio": "off", "resolution": "720p", "duration": 5}


@pytest.mark.parametrize(
    ("model", "refer_type", "keep", "audio"),
    [
        ("kling-3.0-omni", "base", True, "original"),
        ("kling-3.0-omni", "base", False, "off"),
        ("kling-3.0-omni", "feature", True, "off"),
        ("kling-o1", "feature", True, "original"),
    ],
)
def test_the_sound_of_a_video(model: str, refer_type: Any, keep: Any, audio: str) -> None:
    """It stays where it did; beside a video that is referred to, kling-3.0-omni makes none."""
    video = Video(id="1", url=CLIP)
    given = {"video": video, "refer_type": refer_type, "keep_original_sound": keep}
    made = current.from_legacy(OmniVideo("a", video_list=[given], aspect_ratio="1:1"), model)
    assert (compose(made).audio, (made.base_video or made.feature_video)) == (
        audio,
        current.NamedVideo(video, id="video_1"),
    )


def test_from_a_motion() -> None:
    """The person, the motion and the way it looks."""
    legacy = MotionControl(
        CAT, video_url=CLIP, model_name="kling-v2-6", character_orientation="image", mode="pro", prompt="it rains"
    )
    assert current.from_legacy(legacy) == current.MotionControl(
        CAT,
        model="kling-2.6",
        video=CLIP,
        character_orientation="image",
        prompt="it rains",
        resolution="1080p",
        audio="original",
    )


def test_a_mode_that_is_left_out() -> None:
    """The resolution of the legacy default mode is requested, so that results have no fewer pixels than before."""
    sizes = {"kling-v2-1-master": "1080p", "kling-v2-master": "720p", "kling-v2-6": "720p", "kling-v9": None}
    for name, size in sizes.items():
        made = current.from_legacy(TextToVideo("a cat", model_name=name), "kling-3.0")
        assert made.resolution == size


def test_what_has_no_counterpart() -> None:
    """All of it is refused at once, each with what to do instead, and nothing is left out in silence."""
    legacy = ImageToVideo(
        CAT,
        model_name="kling-v1",
        prompt="a cat <<<image_1>>>",
        negative_prompt="dogs",
        cfg_scale=0.0,
        static_mask=CAT,
        dynamic_masks=[{"mask": CAT, "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}],
    )
    found = refused(legacy)
    assert {*found} == {"negative_prompt", "cfg_scale", "static_mask", "dynamic_masks", "prompt", "model"}
    assert "say in the prompt" in found["negative_prompt"]
    assert [*refused(ImageToVideo(image_tail=CAT), "kling-3.0")] == ["image_tail"]
    camera = {"type": "simple", "config": {"zoom": 1}}
    assert [*refused(TextToVideo("a", camera_control=camera), "kling-3.0")] == ["camera_control"]
    voiced = TextToVideo("a", voice_list=["1"], sound=True, mode="pro")
    assert [*refused(voiced, "kling-2.6")] == ["voice_list"]


@pytest.mark.parametrize(
    ("model", "sound", "words"),
    [
        ("kling-3.0-turbo", False, "always makes sound"),
        ("kling-2.5-turbo", True, "never makes sound"),
        ("kling-3.0-turbo", True, None),
        ("kling-2.5-turbo", False, None),
        ("kling-2.5-turbo", None, None),
    ],
)
def test_sound_that_cannot_be_switched(model: str, sound: Any, words: str | None) -> None:
    """It is refused only where the model does the other thing; else the setting is left out."""
    legacy = TextToVideo("a", sound=sound, mode="pro")
    if words is not None:
        assert words in refused(legacy, model)["sound"]
        return
    made = current.from_legacy(legacy, model)
    assert compose(made).body["settings"] == {"resolution": "1080p", "duration": 5}


def test_what_was_wrong_before() -> None:
    """What the legacy endpoint refuses is refused with the rest; what only its old model could not do is not."""
    frames = [{"image_url": CAT, "type": "first_frame"}] * 2
    assert "image_list" in refused(OmniVideo("a", image_list=frames))
    assert "dynamic_masks" in refused(ImageToVideo(CAT, dynamic_masks=5), "kling-3.0")  # type: ignore[arg-type]  # wrong on purpose
    assert current.from_legacy(ImageToVideo(CAT, model_name="kling-v2-1", image_tail=CAT), "kling-3.0").last_frame
    other: Any = kling_async.VideoEffect("hug")
    assert "ImageToVideo" in refused(other)["request"]
    assert "request" in refused(current.ImageToVideo(CAT, model="kling-3.0"))


@pytest.mark.parametrize("model", [5, b"x", "", " ", [], {}, object(), "a/b", ".."])
def test_what_is_no_name_of_a_model(model: Any) -> None:
    """What can be no segment of a path is refused by its parameter, with what is wrong beside it."""
    assert [*refused(TextToVideo("a"), model)] == ["model"]
    assert {*refused(TextToVideo("a", negative_prompt="dogs"), model)} == {"negative_prompt", "model"}


@pytest.mark.parametrize(("legacy", "name"), table.OF_LEGACY.items())
def test_models_that_are_called_otherwise(legacy: str, name: str) -> None:
    """The model need not be named where it is the same one under another name."""
    omni: dict[str, Any] = {"aspect_ratio": "1:1", "duration": 5}
    is_omni = "omni" in legacy or "o1" in legacy
    made: Any = OmniVideo("a", model_name=legacy, **omni) if is_omni else TextToVideo("a", model_name=legacy)
    assert current.from_legacy(made).model == name
    assert current.from_legacy(made).sent_to in {row.path for row in table.VERIFIED}
