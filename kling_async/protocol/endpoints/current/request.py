"""Requests of the current generation, and how their bodies are composed."""

from collections.abc import Iterator
from typing import Any, Final

from kling_async.protocol.converters import inside
from kling_async.protocol.endpoint import Request
from kling_async.protocol.endpoints.current import shots, table
from kling_async.protocol.endpoints.current.given import ElementKind, Given, Item
from kling_async.protocol.endpoints.current.materials import NamedElement, NamedImage, NamedVideo, NamedVoice, Shot
from kling_async.protocol.endpoints.current.shots import ShotRead
from kling_async.protocol.media.image import Image
from kling_async.protocol.records import WatermarkInfo
from kling_async.protocol.results import Element, Video, Voice

IN_PATH: Final = inside("path")
"""Metadata of fields that determine the path of a request."""
IN_CONTENTS: Final = inside("contents")
"""Metadata of materials, each an item of `contents`."""
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
"""The field of a record for each type of material, in the order in which they are sent."""
_KINDS: Final[dict[str, ElementKind]] = {
    "image_refer": "image",
    "multi_image_elements": "image",
    "video_refer": "video",
    "video_character_elements": "video",
}
"""Kinds of elements, by the `reference_type` of both generations."""


class CurrentRequest(Request):
    """A request of the current generation.

    Attributes:
        model: a segment of the path.
        path: the path that it is sent to, if it does not follow from the model.
        family: the first segment of the paths of such requests.
    """

    __slots__ = ()

    model: Any
    path: Any
    family = ""

    @property
    def model_name(self) -> Any:
        """The name by which slots are counted."""
        return self.model

    @property
    def sent_to(self) -> str:
        """The path that it is sent to."""
        path, model = self.path, self.model
        return path if isinstance(path, str) and path else f"{self.family}/{model if isinstance(model, str) else ''}"

    def members(self) -> dict[str, Any]:
        """Returns the JSON members as a journal stores them: the path and the body, with options at the top level."""
        given = compose(self)
        flat = {name: value for name, value in given.body.items() if name != "options"}
        return {"path": given.path, **flat, **given.options}


def compose(request: Any) -> Given:
    """Composes the body; unreadable values are omitted, and a rule reports them."""
    path = request.sent_to
    prompt = _prompt(getattr(request, "prompt", None))
    items = [*_prompt_item(prompt), *_items(request)]
    body: dict[str, Any] = {"contents": [item.members for item in items]}
    if request.family == table.TEXT_TO_VIDEO:
        body, items = {} if prompt is None else {"prompt": prompt}, []
    settings = _settings(request, table.row_of(path), prompt)
    options = dict(_options(request))
    body |= {name: members for name, members in (("settings", settings), ("options", options)) if members}
    return Given(
        path=path,
        family=request.family,
        body=body,
        items=tuple(items),
        shots=_shots(request, prompt),
        fields=FIELDS,
        has_path=isinstance(request.path, str) and request.path != "",
    )


def _prompt(prompt: Any) -> str | None:
    """Returns the text, or shots in the syntax of the service."""
    if not isinstance(prompt, tuple):
        return prompt if isinstance(prompt, str) else None
    read = [(place, shot) for place, shot in enumerate(prompt, 1) if isinstance(shot, Shot)]
    return " ".join(
        shots.text_of(place, shot.seconds if type(shot.seconds) is int and shot.seconds < 10**9 else "?", shot.words)
        for place, shot in read
        if isinstance(shot.words, str)
    )


def _prompt_item(prompt: str | None) -> list[Item]:
    return [] if prompt is None else [Item(members={"type": "prompt", "text": prompt}, place="prompt", is_plain=True)]


def _shots(request: Any, prompt: str | None) -> tuple[ShotRead, ...]:
    given = getattr(request, "prompt", None)
    if not isinstance(given, tuple):
        return tuple(shots.read(prompt or "", "prompt"))
    return tuple(
        ShotRead(place + 1, shot.seconds, shot.words, f"prompt[{place}]")
        for place, shot in enumerate(given)
        if isinstance(shot, Shot)
    )


def _items(request: Any) -> Iterator[Item]:
    for kind, field in FIELDS.items():
        given = getattr(request, field, None)
        values = given if isinstance(given, tuple) else [] if given is None else [given]
        for place, value in enumerate(values):
            members = _members(value)
            if members is not None:
                yield Item(
                    members={"type": kind, **members},
                    place=f"{field}[{place}]" if isinstance(given, tuple) else field,
                    is_plain=isinstance(value, Image),
                    kind=_kind(getattr(value, "element_id", None)),
                )


def _members(value: Any) -> dict[str, Any] | None:
    named = {} if getattr(value, "id", None) is None else {"id": value.id}
    match value:
        case Image():
            return {"url": value}
        case NamedImage() | NamedVideo():
            return {"url": value.url.url if isinstance(value.url, Video) else value.url, **named}
        case NamedElement(element_id=given):
            number = given.element_id if isinstance(given, Element) else given
            return {"element_id": str(number) if type(number) is int and 0 <= number < 10**30 else number, **named}
        case NamedVoice(voice_id=given):
            return {"voice_id": given.voice_id if isinstance(given, Voice) else given, **named}
        case _:
            return None


def _kind(element: object) -> ElementKind | None:
    return _KINDS.get(element.reference_type) if isinstance(element, Element) else None


def _settings(request: Any, row: table.Row | None, prompt: str | None) -> dict[str, Any]:
    given = {name: getattr(request, name, None) for name in SETTINGS}
    listed = _shots(request, prompt)
    if given["duration"] is None and listed and all(type(shot.seconds) is int for shot in listed):
        given["duration"] = sum(shot.seconds for shot in listed)
    if row is not None:
        if given["multi_shot"] is None and row.shots is table.Shots.BY_MEMBER:
            given["multi_shot"] = bool(listed)
        if given["audio"] is None:
            given["audio"] = row.audio_left_out
    return {name: value for name, value in given.items() if value is not None}


def _options(request: Any) -> Iterator[tuple[str, Any]]:
    for name in OPTIONS:
        value = getattr(request, name, None)
        if isinstance(value, WatermarkInfo):
            yield name, {"enabled": value.enabled}
        elif isinstance(value, str):  # a rule reports any other type
            yield name, value
