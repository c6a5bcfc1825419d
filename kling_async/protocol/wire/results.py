"""Parses the results of tasks of either generation.

Malformed items are left out, and the order is kept, so that files keep their numbers. A malformed result affects
neither the task's id and status nor other results.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict, TypeVar

from kling_async.protocol.errors import BadResponse, RequestRefused
from kling_async.protocol.media.picture import Picture
from kling_async.protocol.redaction import service_text
from kling_async.protocol.results import Audio, BalanceDeduction, Element, Video, Voice
from kling_async.protocol.wire.members import address, decimal, identifier, items, mapping

DEEPEST: Final = 50
"""Maximum depth of results that are kept unparsed: deeper ones could not be pickled."""

_T = TypeVar("_T")
_Item = Mapping[str, Any]


class Results(TypedDict):
    """The attributes of `Task` for results."""

    videos: tuple[Video, ...]
    images: tuple[Picture, ...]
    audios: tuple[Audio, ...]
    voices: tuple[Voice, ...]
    elements: tuple[Element, ...]
    raw: Any


def check_deleted(data: Any) -> None:
    """Checks the answer to a delete: a task that has ended, or will end.

    Raises:
        RequestRefused: the task failed.
    """
    answer = mapping(data)
    if answer.get("task_status") == "failed":
        raise RequestRefused(service_text(answer.get("task_status_msg")) or "the service did not delete it")


def results_of(value: Any, made: datetime | None = None) -> Results:
    """Parses `task_result` of the legacy protocol.

    Args:
        value: of the member.
        made: when the task ended; None if that is not known.
    """
    lists = mapping(value)
    pictures = [*items(lists.get("images")), *items(lists.get("series_images"))]
    return {
        "videos": _each(functools.partial(_video, made), items(lists.get("videos"))),
        "images": tuple(
            picture for place, item in enumerate(pictures) for picture in _views(made, mapping(item), place)
        ),
        "audios": _each(functools.partial(_audio, made), items(lists.get("audios"))),
        "voices": _each(_voice, items(lists.get("voices"))),
        "elements": _each(_element, items(lists.get("elements"))),
        "raw": value if is_shallow(value) else None,
    }


def each_result(data: Any) -> list[Results]:
    """Parses a list whose entries have the form of tasks; it may be null.

    Raises:
        BadResponse: it is not a list.
    """
    if not isinstance(data, list | None):
        raise BadResponse(f"expected a list, got {type(data).__name__}")
    return [results_of(mapping(entry).get("task_result")) for entry in items(data)]


def outputs_of(value: Any, made: datetime | None = None) -> Results:
    """Parses `outputs` of the new generation: one array with all kinds of results.

    Args:
        value: of the member.
        made: when the task ended; None if that is not known.
    """
    outputs = [mapping(item) for item in items(value)]

    def of(kind: str) -> list[_Item]:
        return [output for output in outputs if output.get("type") == kind]

    return {
        "videos": _each(functools.partial(_video, made), of("video")),
        "images": _pictures(made, of("image")),
        "audios": _each(functools.partial(_output_audio, made), of("audio")),
        "voices": _each(_output_voice, of("voice")),
        "elements": _each(_output_element, of("element")),
        "raw": value if is_shallow(value) else None,
    }


def balance_of(value: Any) -> BalanceDeduction | None:
    """Parses `final_balance_deduction`."""
    if not isinstance(value, Mapping):
        return None
    return BalanceDeduction(quota=decimal(value.get("quota")), list_price=decimal(value.get("list_price")))


def is_shallow(value: Any, depth: int = DEEPEST) -> bool:
    """Whether a value is shallow enough to be copied and pickled everywhere."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return all(depth > 0 and is_shallow(item, depth - 1) for item in inner)


def _each(read: Callable[[_Item], _T | None], values: Iterable[Any]) -> tuple[_T, ...]:
    made = (read(mapping(value)) for value in values)
    return tuple(one for one in made if one is not None)


def _video(made: datetime | None, item: _Item) -> Video | None:
    url, marked = address(item.get("url")), address(item.get("watermark_url"))
    if url is None and marked is None:
        return None
    return Video(
        id=identifier(item.get("id")) or "",
        url=url or "",
        watermark_url=marked,
        duration=decimal(item.get("duration")),
        created_at=made,
    )


def _pictures(made: datetime | None, values: Iterable[Any]) -> tuple[Picture, ...]:
    return tuple(picture for place, item in enumerate(values) for picture in _views(made, mapping(item), place))


def _views(made: datetime | None, item: _Item, place: int) -> Iterator[Picture]:
    """Yields the pictures of one item: one, or three views of one subject with the same number."""
    given = item.get("index")
    index = given if type(given) is int and 0 <= given < 2**31 else place
    for name, marked in (("url", "watermark_url"), ("url_1", ""), ("url_2", ""), ("url_3", "")):
        url, watermark_url = address(item.get(name)), address(item.get(marked))
        if url is not None or watermark_url is not None:
            yield Picture(index=index, url=url or "", watermark_url=watermark_url, created_at=made)


def _audio(made: datetime | None, item: _Item) -> Audio | None:
    """Parses one sound: speech has `url` and `duration`, other sound one of each for MP3 and for WAV."""
    mp3 = _sound(made, item, url="url_mp3", duration="duration_mp3", url_wav="url_wav", duration_wav="duration_wav")
    return mp3 or _sound(made, item, url="url", duration="duration")


def _output_audio(made: datetime | None, item: _Item) -> Audio | None:
    mp3 = _sound(made, item, url="mp3_url", duration="mp3_duration", url_wav="wav_url", duration_wav="wav_duration")
    return mp3 or _sound(made, item, url="url", duration="duration")


def _sound(
    made: datetime | None, item: _Item, *, url: str, duration: str, url_wav: str = "", duration_wav: str = ""
) -> Audio | None:
    first, wav = address(item.get(url)), address(item.get(url_wav))
    if first is None and wav is None:
        return None
    return Audio(
        id=identifier(item.get("id")) or "",
        url=first or "",
        url_wav=wav,
        duration=decimal(item.get(duration)),
        duration_wav=decimal(item.get(duration_wav)),
        created_at=made,
    )


def _voice(item: _Item, voice_id: str = "voice_id", name: str = "voice_name", url: str = "trial_url") -> Voice | None:
    known = identifier(item.get(voice_id))
    if known is None:
        return None
    return Voice(
        voice_id=known,
        voice_name=_text(item.get(name)),
        trial_url=address(item.get(url)),
        owned_by=_text(item.get("owned_by")),
        status=_status(item),
    )


def _output_voice(item: _Item) -> Voice | None:
    return _voice(item, "id", "name", "url")


def _element(item: _Item) -> Element | None:
    element_id = _number(item.get("element_id"))
    if element_id is None:
        return None
    return Element(
        element_id=element_id,
        element_name=_text(item.get("element_name")),
        element_description=_text(item.get("element_description")),
        reference_type=_text(item.get("reference_type")),
        element_voice_info=_voice(mapping(item.get("element_voice_info"))),
        owned_by=_text(item.get("owned_by")),
        status=_status(item),
    )


def _output_element(item: _Item) -> Element | None:
    element_id = _number(item.get("id"))
    if element_id is None:
        return None
    parts = [mapping(part) for part in (*items(item.get("references")), *items(item.get("materials")))]
    voices = [voice for part in parts if part.get("type") == "voice" and (voice := _output_voice(part)) is not None]
    return Element(
        element_id=element_id,
        element_name=_text(item.get("name")),
        element_description=_text(item.get("description")),
        reference_type=_text(item.get("element_type")),
        element_voice_info=voices[0] if voices else None,
        owned_by=_text(item.get("owned_by")),
        status=_status(item),
    )


def _text(value: Any) -> str:
    """Returns a name or a description, even if it was sent as a number."""
    return service_text(value, 200) if isinstance(value, str) else identifier(value) or ""


def _status(item: _Item) -> str:
    word = _text(item.get("status"))
    return "succeed" if word == "succeeded" else word


def _number(value: Any) -> int | None:
    text = identifier(value) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 40 else None
