"""Capability maps: which features a model has in each mode and duration, and what a result costs.

Each map is defined with its endpoint. The maps were compiled from the service's change log, its capability pages and
reports of live behaviour. They become outdated: `?` means that sources are silent or disagree, and nothing is refused
because of a `?`, of a model that a map does not have, or of a retired model.
"""

import difflib
import enum
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final, Generic, Literal, TypeVar

import attrs

from kling_async.protocol.redaction import service_text

RequestT = TypeVar("RequestT")

DURATION_LEFT_OUT: Final = 5
"""Seconds of a clip whose request has no duration."""


class Cell(enum.Enum):
    """Whether a feature works."""

    YES = "y"
    NO = "-"
    UNKNOWN = "?"


@attrs.frozen(kw_only=True, eq=False)
class Feature(Generic[RequestT]):
    """A feature that a request may use and that not every model has: a column of a map.

    Attributes:
        name: of the column.
        used: whether a request uses the feature.
        field: the parameter that a problem is reported for, if it differs from `name`.
        phrase: what messages call the feature, if it differs from `field`.
        without: how a message says to leave it out, if it differs from "no" and the phrase.
        heading: of the column in the documentation's table; None if it has no column there.
        parts: names of the two features that it combines: if they do not work together, a suggestion drops the second
            one, unless that is the wanted one.
        needs: name of another feature that it requires.
        documented: whether the endpoint's documentation forbids it, not only the map.
        only_warns: whether the service is known to accept it even where it has no effect.
    """

    name: str
    used: Callable[[RequestT], bool]
    field: str | Callable[[RequestT], str] = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True))
    phrase: str = attrs.field(default=attrs.Factory(lambda self: str(self.field), takes_self=True))
    without: str = attrs.field(default=attrs.Factory(lambda self: f"no {self.phrase}", takes_self=True))
    heading: str | None = None
    parts: tuple[str, str] | None = None
    needs: str | None = None
    documented: bool = False
    only_warns: bool = False

    def field_of(self, request: RequestT) -> str:
        """Returns the parameter that a problem with this feature is reported for."""
        return self.field if isinstance(self.field, str) else self.field(request)


@attrs.frozen(kw_only=True)
class Retirement:
    """The retirement of a model at one endpoint; other endpoints may still have it.

    Attributes:
        since: the day from which the service refuses it; None if it is not known.
        instead: the model to use instead.
    """

    since: date | None
    instead: str


@attrs.frozen(kw_only=True)
class Capability:
    """One row of a map: what a model can do in one mode and duration.

    Each cell is an attribute as well: `row.tail` is `row.cells["tail"]`.

    Attributes:
        model_name: as in the request.
        mode: `std`, `pro` or `4k`; None for a model without modes.
        duration: whole seconds; None if requests have no duration, such as for pictures.
        cells: whether each feature works, by its name. With image2video: `image_only`, `tail` (`image` with
            `image_tail`), `tail_only`, `tail_with_sound`, `brush` (masks), `camera` (`camera_control` of type
            `simple`), `camera_presets` (of the other types), `sound`, `voice_list`, `cfg_scale`, `element_list`,
            `multi_shot`.
        size: of the video: `720p`, `1080p` or `4k`; None for pictures, whose size is a parameter.
        fps: frames per second of the video; None if no source is certain.
        retired: the model's retirement; None if none is known.
    """

    model_name: str
    mode: str | None
    duration: int | None
    cells: Mapping[str, Cell] = attrs.field(hash=False)
    size: str | None
    fps: int | None
    retired: Retirement | None = None

    def __getattr__(self, name: str) -> Cell:
        """Returns the cell of a feature."""
        if name != "cells" and name in self.cells:
            return self.cells[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class CapabilityMap(Generic[RequestT]):
    """What each model can do, and what a result costs.

    Args:
        features: the columns after the duration, in order.
        table: lines of model, mode (`any` for a model without modes), seconds (`5`, `5,10`, `3-15`, or `any` if
            requests have no duration), a cell for each feature, and for videos size and frames per second; models from
            old to new.
        prices: lines of model, mode, and units: the lowest price, then one for each feature of `priced_by`. `?` means
            that the price is not known.
        priced_by: names of the features that change the price; of those that a request uses, the last one counts.
        price_of: what the prices are for: a second of video, or a picture.
        retired: lines of a retired model, the day from which the service refuses it (`2026-09-15`, or `?`), and the
            model to use instead.
    """

    def __init__(
        self,
        features: Iterable[Feature[RequestT]],
        table: str,
        prices: str,
        *,
        priced_by: tuple[str, ...] = ("sound", "voice_list"),
        price_of: Literal["second", "picture"] = "second",
        retired: str = "",
    ) -> None:
        self.features = tuple(features)
        self.priced_by = tuple(feature for name in priced_by for feature in self.features if feature.name == name)
        self.price_of = price_of
        names = [feature.name for feature in self.features]
        self.retired = {
            model_name: Retirement(since=None if since == "?" else date.fromisoformat(since), instead=instead)
            for model_name, since, instead in _lines(retired)
        }
        """Models that the service has retired at this endpoint. They are not refused here: the service does that."""
        self.rows = tuple(row for line in _lines(table) for row in _rows(line, names, self.retired))
        """All rows, models from old to new."""
        self.models = tuple(dict.fromkeys(row.model_name for row in self.rows))
        """All models of the map from old to new, including retired ones."""
        self._by_key = {(row.model_name, row.mode, row.duration): row for row in self.rows}
        self._prices = {(model_name, _mode(mode)): cells for model_name, mode, *cells in _lines(prices)}

    def modes_of(self, model_name: str) -> tuple[str | None, ...]:
        """Returns the modes of a model; empty for an unknown model, `(None,)` for one without modes."""
        return tuple(dict.fromkeys(row.mode for row in self.rows if row.model_name == model_name))

    def durations_of(self, model_name: str) -> tuple[int, ...]:
        """Returns the durations of a model in seconds; empty for an unknown model, and if requests have none."""
        durations = (row.duration for row in self.rows if row.model_name == model_name)
        return tuple(dict.fromkeys(duration for duration in durations if duration is not None))

    def mode_in_effect(self, model_name: str, mode: str | None) -> str | None:
        """Returns the mode of the map's row for a request's `mode`.

        An omitted mode is `std`, or the only mode of a model without `std`. For a model without modes, `std` is the
        same as none, since it is the service's default.
        """
        modes = self.modes_of(model_name)
        if mode is None:
            return modes[0] if modes else "std"  # the map lists std first
        return None if mode == "std" and modes == (None,) else mode

    def duration_in_effect(self, model_name: str, duration: int | None) -> int | None:
        """Returns the duration of the map's row for a request's `duration`; None if the model has no durations."""
        return DURATION_LEFT_OUT if duration is None and self.durations_of(model_name) else duration

    def row(self, model_name: str, mode: str | None, duration: int | None) -> Capability | None:
        """Returns the row for a combination; None for an unknown model, mode or duration.

        Args:
            model_name: as in the request.
            mode: as in the request; None for the default.
            duration: whole seconds; None for the default.
        """
        effective = self.mode_in_effect(model_name, mode), self.duration_in_effect(model_name, duration)
        return self._by_key.get((model_name, *effective))

    def units(
        self, model_name: str, mode: str | None, duration: int | None, using: Container[str] = ()
    ) -> Decimal | None:
        """Returns the list price of a result, in units of the resource pack; None if it is not known.

        Videos are billed by the requested whole seconds.

        Args:
            model_name: as in the request.
            mode: as in the request; None for the default.
            duration: whole seconds; None for the default.
            using: names of the features used, such as `sound`; only those that change the price matter.
        """
        row = self.row(model_name, mode, duration)
        prices = self._prices.get((row.model_name, row.mode)) if row else None
        if row is None or prices is None:
            return None
        used = [place for place, feature in enumerate(self.priced_by, 1) if feature.name in using]
        price = prices[max(used, default=0)]
        return None if price == "?" else Decimal(price) * (row.duration or 1)

    def unknown_model(self, model_name: str) -> str | None:
        """Returns a message that the map does not have a model, with those it has; None if it has the model."""
        if model_name in self.models:
            return None
        near = difflib.get_close_matches(model_name, self.models, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"no model {service_text(model_name, 60)!r} is known here{hint}; known are {', '.join(self.models)}"

    def retired_model(self, model_name: str) -> str | None:
        """Returns a message that a model was retired, with its replacement; None if it is not known to be retired."""
        retirement = self.retired.get(model_name)
        if retirement is None:
            return None
        since = f" since {retirement.since}" if retirement.since else ""
        return f"{model_name} is retired here{since}; use {retirement.instead}"

    def features_used(self, request: RequestT) -> list[Feature[RequestT]]:
        """Returns the features that a request uses, in the map's order."""
        return [feature for feature in self.features if feature.used(request)]


def _lines(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines() if not line.startswith("#")]


def _mode(word: str) -> str | None:
    return None if word == "any" else word


def _seconds(words: str) -> list[int] | list[None]:
    if words == "any":
        return [None]
    if "-" in words:
        first, last = words.split("-")
        return list(range(int(first), int(last) + 1))
    return [int(word) for word in words.split(",")]


def _rows(line: list[str], features: list[str], retired: Mapping[str, Retirement]) -> list[Capability]:
    model_name, mode, seconds, *rest = line
    cells, (size, fps) = rest[: len(features)], rest[len(features) :] or (None, "?")
    by_name: dict[str, Any] = {name: Cell(cell) for name, cell in zip(features, cells, strict=True)}
    return [
        Capability(
            model_name=model_name,
            mode=_mode(mode),
            duration=duration,
            cells=by_name,
            size=size,
            fps=None if fps == "?" else int(fps),
            retired=retired.get(model_name),
        )
        for duration in _seconds(seconds)
    ]
