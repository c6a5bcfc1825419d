"""Rules that depend on the model: its modes, its durations, and its features in each of them."""

from collections.abc import Iterator
from typing import Any, Protocol

import attrs

from kling_async.protocol.capability import Capability, CapabilityMap, Cell, Feature
from kling_async.protocol.errors import Problem
from kling_async.protocol.nearest import nearest
from kling_async.protocol.records import Mode
from kling_async.protocol.rules.values import in_words, is_whole, one_of, shown, text, whole

MODES = ("std", "pro", "4k")
SECONDS_MOST = 3600  # our own limit, far above any real one, for models that the map does not have


class HasModel(Protocol):
    """A request that names its model."""

    @property
    def model_name(self) -> str:
        """Any text: models come and go."""
        ...


class HasMode(HasModel, Protocol):
    """A request for a video in some mode."""

    @property
    def mode(self) -> Mode | None:
        """Quality, which determines the resolution."""
        ...


class MakesClip(HasMode, Protocol):
    """A request for a video of some seconds in some mode."""

    @property
    def duration(self) -> int | None:
        """Seconds."""
        ...


def model_name(request: HasModel) -> Iterator[Problem]:
    """Accepts any text that is not blank: models come and go, and the service checks them."""
    yield from text("model_name", request.model_name)
    if isinstance(request.model_name, str) and not request.model_name.strip():
        yield Problem("model_name", "is empty")


@attrs.frozen
class ModelRules:
    """The rules of one capability map.

    Attributes:
        capabilities: the map.
    """

    capabilities: CapabilityMap[Any]

    def mode(self, request: HasMode) -> Iterator[Problem]:
        """Requires a documented mode that the model has.

        That `4k` is for kling-v3 only is documented; all else is from the map.
        """
        value: Any = request.mode
        if value is None:
            return
        modes = self.capabilities.modes_of(request.model_name)
        if not modes:
            yield from text("mode", value)
            if value == "":
                yield Problem("mode", "is empty; leave it out")
            return
        problems = list(one_of("mode", value, MODES))
        yield from problems
        if problems or self.capabilities.mode_in_effect(request.model_name, value) in modes:
            return
        named = [name for name in modes if name is not None]
        what = f"use {in_words(named)}" if named else "it has no modes: leave it out"
        yield Problem("mode", f"{value} is not possible with {request.model_name}; {what}", by_map=value != "4k")

    def duration(self, request: MakesClip) -> Iterator[Problem]:
        """Requires whole seconds that the model can make, by the endpoint's documentation."""
        value: Any = request.duration
        durations = self.capabilities.durations_of(request.model_name)
        if not is_whole(value) or not durations:
            yield from whole("duration", value, 1, SECONDS_MOST)
        elif value not in durations:
            many = len(durations) > 2
            span = f"{durations[0]} to {durations[-1]}" if many else in_words([str(one) for one in durations])
            yield Problem("duration", f"{shown(value)} is not possible with {request.model_name}; use {span}")

    def abilities(self, request: HasModel) -> Iterator[Problem]:
        """Reports features that do not work by the map, each with the nearest combination that does.

        `?` and unknown models pass.
        """
        rows = self._rows(request)
        if not rows:
            return
        used = self.capabilities.features_used(request)
        impossible = [feature for feature in used if all(row.cells[feature.name] is Cell.NO for row in rows)]
        for feature in impossible:
            if feature.only_warns:
                yield Problem(
                    feature.field_of(request),
                    f"is not for {request.model_name}, as the documentation says; it is sent, and probably has no "
                    "effect",
                    only_warns=True,
                )
        used = [feature for feature in used if not feature.only_warns]
        refused = {feature.name: feature for feature in impossible if not feature.only_warns}
        for feature in refused.values():
            if feature.parts and refused.keys() & set(feature.parts):
                continue  # reported already
            advice = self._advice(request, feature, frozenset(used))
            yield Problem(feature.field_of(request), advice, by_map=not feature.documented)

    def _rows(self, request: HasModel) -> list[Capability]:
        """Returns the rows for a request: several if its mode or duration is wrong, which other rules report."""
        mode, duration = self._mode_and_duration(request)
        rows = [row for row in self.capabilities.rows if row.model_name == request.model_name]
        wanted_mode = self.capabilities.mode_in_effect(request.model_name, mode)
        rows = [row for row in rows if row.mode == wanted_mode] or rows
        return [row for row in rows if row.duration == duration] or rows

    def _advice(self, request: HasModel, feature: Feature[Any], used: frozenset[Feature[Any]]) -> str:
        by_name = {each.name: each for each in used}
        wanted = by_name[feature.parts[0]] if feature.parts else feature
        mode, duration = self._mode_and_duration(request)
        seconds = duration if duration is None or is_whole(duration) else 0  # another rule reports it
        best = nearest(self.capabilities, (request.model_name, mode, seconds), wanted, used)
        row = best.row
        changes = []
        if row.model_name != request.model_name:
            changes.append(f"model_name {row.model_name}")
        if row.mode != self.capabilities.mode_in_effect(row.model_name, mode):
            changes.append(f"mode {row.mode}" if row.mode is not None else "no mode")
        if row.duration != seconds:
            changes.append(f"duration {row.duration}")
        changes += [other.without for other in best.without]
        start = f"{request.model_name} with {feature.phrase}"
        if row.model_name != request.model_name:
            start = f"{request.model_name} cannot do {feature.phrase}: this"
        certainty = "" if best.sure else " (where it is not certain either)"
        return f"{start} needs {in_words(changes, last='and')}{certainty}"

    def _mode_and_duration(self, request: HasModel) -> tuple[Any, Any]:
        """Returns mode and duration as given; None for requests without these fields, such as those for pictures."""
        duration = getattr(request, "duration", None)
        return getattr(request, "mode", None), self.capabilities.duration_in_effect(request.model_name, duration)
