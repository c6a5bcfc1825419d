"""The input of the checks: a path and a body, composed from a record or written by hand."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from kling_async.protocol.endpoints.current import shots, table
from kling_async.protocol.endpoints.current.shots import ShotRead

ElementKind = Literal["image", "video"]


@attrs.frozen(kw_only=True)
class Item:
    """A material: an item of `contents`.

    Attributes:
        members: members of the item.
        place: its name in messages: `contents[1]`, or a field of the record.
        is_plain: whether messages about its members use this name too, since it was given as a bare value.
        kind: the kind of an element, if known.
    """

    members: Mapping[str, Any]
    place: str
    is_plain: bool = False
    kind: ElementKind | None = None

    @property
    def type(self) -> str:
        """The type of material; empty if it has none."""
        named = self.members.get("type")
        return named if isinstance(named, str) else ""

    def at(self, member: str) -> str:
        """Returns the name of a member in messages."""
        return self.place if self.is_plain else f"{self.place}.{member}"


@attrs.frozen(kw_only=True)
class Given:
    """A request in the form that is checked.

    Attributes:
        path: the path that it is sent to.
        family: the first segment of the path; empty if unknown.
        body: its JSON; local files are `Media`.
        items: the items of `contents` that are objects.
        shots: the shots in the prompt.
        fields: the fields of the record by type of material; None for a hand-written body.
        has_path: whether the path was given explicitly, not derived from the model.
    """

    path: str
    family: str
    body: Mapping[str, Any]
    items: tuple[Item, ...]
    shots: tuple[ShotRead, ...] = ()
    fields: Mapping[str, str] | None = None
    has_path: bool = True

    @property
    def row(self) -> table.Row | None:
        """The row of the path; None if unknown, or if the path is of another family than the record."""
        row = table.row_of(self.path)
        return row if row is not None and row.family == self.family else None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The object; empty if it is missing or not an object."""
        return _mapping(self.body.get("settings"))

    @property
    def options(self) -> Mapping[str, Any]:
        """The object; empty if it is missing or not an object."""
        return _mapping(self.body.get("options"))

    @property
    def prompt(self) -> str | None:
        """The text of the first prompt."""
        if self.family == table.TEXT_TO_VIDEO:
            text = self.body.get("prompt")
        else:
            text = next((item.members.get("text") for item in self.of("prompt")), None)
        return text if isinstance(text, str) else None

    def of(self, *types: str) -> list[Item]:
        """Returns the materials of these types."""
        return [item for item in self.items if item.type in types]

    @property
    def prompt_at(self) -> str:
        """The name of the prompt in messages."""
        if self.family == table.TEXT_TO_VIDEO:
            return "prompt"
        return next((item.at("text") for item in self.of("prompt")), self.absent("prompt"))

    def absent(self, kind: str) -> str:
        """Returns the name of a missing material in messages."""
        return "contents" if self.fields is None else self.fields.get(kind, kind)

    def where(self, kind: str) -> str:
        """Returns the name of the materials of a type in messages."""
        if self.fields is not None:
            return self.fields.get(kind, kind)
        return next((item.place for item in self.of(kind)), "contents")

    def setting(self, name: str) -> str:
        """Returns the name of a setting in messages."""
        return name if self.fields is not None else f"settings.{name}"

    def option(self, name: str) -> str:
        """Returns the name of an option in messages."""
        return name if self.fields is not None else f"options.{name}"

    @property
    def model_at(self) -> str:
        """The name of the model in messages."""
        return "path" if self.has_path else "model"

    @property
    def seconds(self) -> int | None:
        """The effective duration; None if it cannot be read."""
        given = self.settings.get("duration", table.DURATION_LEFT_OUT)
        return given if type(given) is int else None

    @property
    def resolution(self) -> object:
        """The effective resolution."""
        return self.settings.get("resolution", table.RESOLUTION_LEFT_OUT)

    @property
    def audio(self) -> object:
        """The effective `audio` setting, by the documentation."""
        left_out = self.row.audio_left_out if self.row is not None else None
        return self.settings.get("audio", left_out)

    @property
    def videos(self) -> list[Item]:
        """The videos that the result refers to or is made from."""
        return self.of("feature_video", "base_video")


def of_body(path: str, body: Mapping[str, Any]) -> Given:
    """Returns the input of the checks for a hand-written body."""
    contents = body.get("contents")
    listed = contents if isinstance(contents, list | tuple) else ()
    items = tuple(
        Item(members=item, place=f"contents[{place}]") for place, item in enumerate(listed) if isinstance(item, Mapping)
    )
    family = next((each for each in table.FAMILIES if path.startswith(f"{each}/")), "")
    found = Given(path=path, family=family, body=body, items=items)
    return attrs.evolve(found, shots=tuple(shots.read(found.prompt or "", found.prompt_at)))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
