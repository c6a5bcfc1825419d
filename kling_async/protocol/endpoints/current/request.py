"""Requests of the current generation, and how they become bodies."""

from collections.abc import Iterator
from typing import Any, Final

import attrs

from kling_async.protocol.converters import inside
from kling_async.protocol.endpoint import Request
from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.materials import NamedElement, NamedImage, NamedVideo, NamedVoice, Shot
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.results import Element, Video, Voice

IN_PATH: Final = inside("path")
"""Metadata of what says where a request is sent to."""
IN_CONTENTS: Final = inside("contents")
"""Metadata of materials: an item each."""
IN_SETTINGS: Final = inside("settings")
"""Metadata of settings."""

SETTINGS: Final = ("multi_shot", "audio", "resolution", "aspect_ratio", "duration", "character_orientation")
OPTIONS: Final = ("callback_url", "external_task_id", "watermark_info")
FIELDS: Final = {
    "first_frame": "first_frame",
    "middle_frame": "middle_frames",
    "last_frame": "last_frame",
    "refer_image": "refer_images",
    "feature_video": "feature_video",
    "base_video": "base_video",
    "image": "image",
    "video": "video",
    "element": "elements",
    "voice": "voices",
}
"""What the materials of each type are called as fields of a record, in the order in which they are sent."""


class CurrentRequest(Request):
    """A request of the current generation.

    Attributes:
        model: a segment of the path.
        path: where it is sent to, where that does not follow from the model.
    """

    __slots__ = ()

    model: Any
    path: Any
    family = ""

    @property
    def model_name(self) -> Any:
        """What slots are counted by."""
        return self.model

    def members(self) -> dict[str, Any]:
        """The JSON members as a journal keeps them: those of the body, options beside the others, and the path."""
        composed = compose(self)
        flat = {name: value for name, value in composed.body.items() if name != "options"}
        return {"path": composed.path, **flat, **composed.body.get("options", {})}


@attrs.frozen
class Composed:
    """A request as it is sent.

    Attributes:
        path: where to.
        body: its JSON, in which files stay `Media`.
        fields: of the record, for each item of `contents`.
    """

    path: str
    body: dict[str, Any]
    fields: tuple[str, ...]


def compose(request: Any) -> Composed:
    """Makes the body; what cannot be read is left out, and a rule reports it."""
    path = getattr(request, "path", None) or f"{request.family}/{request.model}"
    prompt = _prompt(getattr(request, "prompt", None))
    items = list(_items(request))
    if prompt is not None:
        items.insert(0, ("prompt", {"type": "prompt", "text": prompt}))
    body: dict[str, Any]
    if request.family == table.TEXT_TO_VIDEO:
        body = {} if prompt is None else {"prompt": prompt}
        items = []
    else:
        body = {"contents": [item for _, item in items]}
    settings = _settings(request, table.row_of(path), prompt)
    options = {name: _plain(getattr(request, name)) for name in OPTIONS if getattr(request, name) is not None}
    body |= {name: members for name, members in (("settings", settings), ("options", options)) if members}
    return Composed(path, body, tuple(field for field, _ in items))


def _prompt(prompt: Any) -> Any:
    """Text, or shots in the words of the service."""
    if not isinstance(prompt, tuple):
        return prompt if isinstance(prompt, str) else None
    shots = [shot for shot in prompt if isinstance(shot, Shot)]
    return " ".join(f"shot {place}, {shot.seconds}, {shot.words};" for place, shot in enumerate(shots, 1))


def _items(request: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, field in FIELDS.items():
        given = getattr(request, field, None)
        values = given if isinstance(given, tuple) else [] if given is None else [given]
        for place, value in enumerate(values):
            item = _item(value)
            if item is not None:
                yield f"{field}[{place}]" if isinstance(given, tuple) else field, {"type": kind, **item}


def _item(value: Any) -> dict[str, Any] | None:
    named = {} if getattr(value, "id", None) is None else {"id": value.id}
    match value:
        case Image():
            return {"url": value}
        case NamedImage() | NamedVideo():
            return {"url": value.url.url if isinstance(value.url, Video) else value.url, **named}
        case NamedElement(element_id=Element() as element):
            return {"element_id": str(element.element_id), **named}
        case NamedElement(element_id=given):
            return {"element_id": str(given) if type(given) is int and 0 <= given < 10**30 else given, **named}
        case NamedVoice(voice_id=given):
            return {"voice_id": given.voice_id if isinstance(given, Voice) else given, **named}
        case _:
            return None


def _settings(request: Any, row: table.Row | None, prompt: Any) -> dict[str, Any]:
    given = {name: getattr(request, name, None) for name in SETTINGS}
    shots = request.prompt if isinstance(getattr(request, "prompt", None), tuple) else ()
    if given["duration"] is None and shots and all(type(getattr(shot, "seconds", None)) is int for shot in shots):
        given["duration"] = sum(shot.seconds for shot in shots)
    if row is not None:
        if given["multi_shot"] is None and row.shots is table.Shots.BY_MEMBER:
            given["multi_shot"] = table.is_shots(prompt)
        if given["audio"] is None:
            given["audio"] = row.audio_left_out
    return {name: value for name, value in given.items() if value is not None}


def _plain(value: Any) -> Any:
    return {"enabled": value.enabled} if isinstance(value, WatermarkInfo) else value
