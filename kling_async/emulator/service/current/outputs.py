"""Results of tasks of either generation, in the form of the current one."""

from collections.abc import Iterator, Mapping
from typing import Any


def outputs(made: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Converts a task's `task_result` of legacy answers to outputs."""
    return [
        *({"type": "video"} | each for each in made.get("videos", ())),
        *(_image(each) for each in made.get("images", ())),
        *(_image(each) | {"group_id": "1"} for each in made.get("series_images", ())),
        *(_audio(each) for each in made.get("audios", ())),
        *(_voice(each) for each in made.get("voices", ())),
        *(_element(each) for each in made.get("elements", ())),
    ]


def _image(made: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "image", **{name: value for name, value in made.items() if name != "index"}}


def _audio(made: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {
        "url_mp3": "mp3_url",
        "url_wav": "wav_url",
        "duration_mp3": "mp3_duration",
        "duration_wav": "wav_duration",
    }
    return {"type": "audio", "id": made["id"], **{new: made[old] for old, new in renamed.items() if old in made}}


def _voice(made: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "voice", **_named(made), "status": _status(made)}


def _named(voice: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": voice["voice_id"],
        "name": voice["voice_name"],
        "url": voice["trial_url"],
        "owned_by": voice["owned_by"],
    }


def _element(made: Mapping[str, Any]) -> dict[str, Any]:
    is_video = made["reference_type"] == "video_refer"
    tags = [
        {"id": int(tag["id"].removeprefix("o_")), "name": tag["name"], "description": tag["description"]}
        for tag in made["tag_list"]
    ]
    return {
        "type": "element",
        "id": str(made["element_id"]),
        "name": made["element_name"],
        "description": made["element_description"],
        "element_type": "video_character_elements" if is_video else "multi_image_elements",
        "references": list(_references(made)),
        "owned_by": made["owned_by"],
        "status": _status(made),
        "tags": tags,
    }


def _references(made: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    images, videos = made["element_image_list"], made["element_video_list"]
    if images:
        yield {"type": "image", "role": "frontal", "url": images["frontal_image"]}
    for each in images.get("refer_images", ()):
        yield {"type": "image", "role": "reference", "url": each["image_url"]}
    for each in videos.get("refer_videos", ()):
        yield {"type": "video", "role": "refer", "url": each["video_url"]}
    if voice := made["element_voice_info"]:
        yield {"type": "voice", "role": "refer", **_named(voice)}


def _status(made: Mapping[str, Any]) -> str:
    return "deleted" if made["status"] == "deleted" else "succeeded"
