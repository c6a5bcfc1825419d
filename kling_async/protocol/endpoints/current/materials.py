"""The parts of requests of the current generation: shots, and materials that a prompt names as `@id`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from kling_async.protocol.converters import Malformed, address_shown, as_record, each, read, whole_number
from kling_async.protocol.converters import image as as_image
from kling_async.protocol.media.image import Image, ImageGiven
from kling_async.protocol.results import Element, Video, Voice

NamedT = TypeVar("NamedT", "NamedImage", "NamedVideo", "NamedElement", "NamedVoice")


@attrs.frozen
class Shot:
    """One shot of a video of several.

    Attributes:
        words: what happens in it, at most 512 characters; no semicolon, which ends a shot.
        seconds: whole seconds, at least 1; all shots together make the video's duration.
    """

    words: str
    seconds: int = attrs.field(converter=whole_number)


@attrs.frozen
class NamedImage:
    """A picture that the prompt can name.

    Attributes:
        url: a path, an `http(s)://` address or bytes.
        id: by which the prompt names it: `cat` as `@cat`.
    """

    url: Image | None = attrs.field(converter=as_image)
    id: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class NamedVideo:
    """A video that the prompt can name.

    Attributes:
        url: an `http(s)://` address, which the service fetches, or a video of an earlier task. The repr omits
            its query.
        id: by which the prompt names it.
    """

    url: Video | str = attrs.field(repr=address_shown)
    id: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class NamedElement:
    """An element that the prompt names.

    Attributes:
        element_id: its id, or the element as an earlier task made it; then what kind it is can be checked as well.
        id: by which the prompt names it; required.
    """

    element_id: Element | str | int
    id: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class NamedVoice:
    """A voice that the prompt names.

    Attributes:
        voice_id: its id, or the voice as an earlier task made it.
        id: by which the prompt names it; required.
    """

    voice_id: Voice | str
    id: str | None = attrs.field(default=None, kw_only=True)


# ------------------------------------------------------------------------------------- what the fields are given
# Any iterable is accepted; type checkers infer mixed value types in a mapping only if no other alternative is one.

Prompt = str | tuple[Shot, ...]
OneImage = ImageGiven | NamedImage | Mapping[str, ImageGiven]
Images = Sequence[ImageGiven | NamedImage] | Mapping[str, ImageGiven]
OneVideo = str | Video | NamedVideo | Mapping[str, str | Video]
Elements = Sequence[NamedElement] | Mapping[str, Element | str | int]
Voices = Sequence[NamedVoice] | Mapping[str, Voice | str]


def prompt(value: str | Iterable[Shot | Mapping[str, Any]] | None) -> Prompt | None:
    """Converts text, or shots and dicts of them."""
    is_text = issubclass(type(value), str)
    found: Prompt | None = value if is_text else each(lambda shot: as_record(Shot, shot), value)  # type: ignore[assignment]  # it is
    return found


def one_image(value: OneImage | None) -> Image | NamedImage | None:
    """Converts a picture, also one with its name: `{"cat": "cat.png"}`."""
    given: Any = value
    named = issubclass(type(given), Mapping | NamedImage)
    found: Image | NamedImage | None = read(_one, NamedImage, "url", given) if named else as_image(given)
    return found


def images(values: Images | None) -> tuple[NamedImage, ...] | None:
    """Converts any iterable of pictures, and pictures by name: `{"cat": "cat.png"}`."""
    found: tuple[NamedImage, ...] | None = read(_all, NamedImage, "url", values)
    return found


def plain_images(values: Iterable[ImageGiven] | None) -> tuple[Image, ...] | None:
    """Converts any iterable of pictures."""
    found: tuple[Image, ...] | None = each(as_image, values)
    return found


def one_video(value: OneVideo | None) -> NamedVideo | None:
    """Converts an address, a video of an earlier task, and one with its name: `{"walk": address}`."""
    found: NamedVideo | None = read(_one, NamedVideo, "url", value)
    return found


def elements(values: Elements | None) -> tuple[NamedElement, ...] | None:
    """Converts elements or their ids by name: `{"hero": element}`, and any iterable of `NamedElement`."""
    found: tuple[NamedElement, ...] | None = read(_all, NamedElement, "element_id", values)
    return found


def voices(values: Voices | None) -> tuple[NamedVoice, ...] | None:
    """Converts voices or their ids by name: `{"anna": voice}`, and any iterable of `NamedVoice`."""
    found: tuple[NamedVoice, ...] | None = read(_all, NamedVoice, "voice_id", values)
    return found


def _all(cls: type[NamedT], member: str, values: Any) -> tuple[NamedT, ...] | None:
    if isinstance(values, Mapping):
        return tuple(_named(cls, member, name, value) for name, value in values.items())
    found: tuple[NamedT, ...] | None = each(lambda value: _one(cls, member, value), values)
    return found


def _one(cls: type[NamedT], member: str, value: Any) -> NamedT | None:
    if value is None or isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        return cls(value)
    made: Any
    if member in value:
        made = as_record(cls, value)
    elif len(value) == 1:
        [(name, inner)] = value.items()
        made = _named(cls, member, name, inner)
    else:
        made = Malformed(f"expected one, with its name: {{'name': ...}}; got {len(value)}")
    return made  # type: ignore[no-any-return]  # as above


def _named(cls: type[NamedT], member: str, name: Any, value: Any) -> NamedT:
    made: Any = _one(cls, member, value) if isinstance(value, Mapping) and member in value else value
    if isinstance(made, cls) and made.id is not None and made.id != name:
        made = Malformed("has an id of its own beside its name; give one of the two")
    if isinstance(made, Malformed):
        return made  # type: ignore[return-value]  # a rule reports it
    record: Any = cls  # accepts whatever its member accepts; a rule reports invalid values
    return attrs.evolve(made, id=name) if isinstance(made, cls) else record(made, id=name)
