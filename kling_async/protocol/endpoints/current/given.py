"""What the checks look at: a path and a body, whether a record made it or a hand."""

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
        members: of the item.
        place: what it is called in messages: `contents[1]`, or a field of the record.
        is_plain: whether it is called that whatever is wrong with it, since it was given as nothing but its value.
        kind: of an element, where that is known.
    """

    members: Mapping[str, Any]
    place: str
    is_plain: bool = False
    kind: ElementKind | None = None

    @property
    def type(self) -> str:
        """The type of material; empty where it has none."""
        named = self.members.get("type")
        return named if isinstance(named, str) else ""

    def at(self, member: str) -> str:
        """What one of its members is called in messages."""
        return self.place if self.is_plain else f"{self.place}.{member}"


@attrs.frozen(kw_only=True)
class Given:
    """A request as the checks see it.

    Attributes:
        path: where it is sent to.
        family: what the path begins with; empty where that is unknown.
        body: its JSON; files of this machine are `Media`.
        items: of `contents`, those that are objects.
        shots: that the prompt asks for.
        fields: of the record, by types of materials; None for a body that a hand made.
        has_path: whether the path was given, and does not follow from the model.
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
        """What is known of the path; a record is for paths of its own family only."""
        row = table.row_of(self.path)
        return row if row is not None and row.family == self.family else None

    @property
    def settings(self) -> Mapping[str, Any]:
        """They, or none where they cannot be read."""
        return _mapping(self.body.get("settings"))

    @property
    def options(self) -> Mapping[str, Any]:
        """They, or none where they cannot be read."""
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
        """The materials of these types."""
        return [item for item in self.items if item.type in types]

    @property
    def prompt_at(self) -> str:
        """What the prompt is called in messages."""
        if self.family == table.TEXT_TO_VIDEO:
            return "prompt"
        return next((item.at("text") for item in self.of("prompt")), self.absent("prompt"))

    def absent(self, kind: str) -> str:
        """What a material is called in messages that is not there."""
        return "contents" if self.fields is None else self.fields.get(kind, kind)

    def where(self, kind: str) -> str:
        """What the materials of a type are called in messages."""
        if self.fields is not None:
            return self.fields.get(kind, kind)
        return next((item.place for item in self.of(kind)), "contents")

    def setting(self, name: str) -> str:
        """What a setting is called in messages."""
        return name if self.fields is not None else f"settings.{name}"

    def option(self, name: str) -> str:
        """What an option is called in messages."""
        return name if self.fields is not None else f"options.{name}"

    @property
    def model_at(self) -> str:
        """What the model is called in messages."""
        return "path" if self.has_path else "model"

    @property
    def seconds(self) -> int | None:
        """The duration that is in effect; None where that cannot be read."""
        given = self.settings.get("duration", table.DURATION_LEFT_OUT)
        return given if type(given) is int else None

    @property
    def resolution(self) -> object:
        """The resolution that is in effect."""
        return self.settings.get("resolution", table.RESOLUTION_LEFT_OUT)

    @property
    def audio(self) -> object:
        """The setting that is in effect, by the documentation."""
        left_out = self.row.audio_left_out if self.row is not None else None
        return self.settings.get("audio", left_out)

    @property
    def videos(self) -> list[Item]:
        """The videos that the result refers to or follows."""
        return self.of("feature_video", "base_video")


def of_body(path: str, body: Mapping[str, Any]) -> Given:
    """A body that a hand made."""
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
