"""Suggests how to change a request so that a feature works: the nearest combination of the capability map."""

from collections.abc import Set as AbstractSet
from typing import Generic

import attrs

from kling_async.protocol.capability import Capability, CapabilityMap, Cell, Feature, RequestT


@attrs.frozen(kw_only=True)
class Nearest(Generic[RequestT]):
    """The combination nearest to a request in which a feature works.

    Attributes:
        row: the model, mode and duration to use.
        without: other features of the request that have to be left out.
        sure: False if the row only has a `?` for the feature, because no row has a `y`.
    """

    row: Capability
    without: tuple[Feature[RequestT], ...]
    sure: bool


def nearest(
    capabilities: CapabilityMap[RequestT],
    have: tuple[str, str | None, int | None],
    wanted: Feature[RequestT],
    used: AbstractSet[Feature[RequestT]],
) -> Nearest[RequestT]:
    """Returns the row in which `wanted` works and that needs the fewest changes of the request.

    Keeping the model has priority; then that a different model is not retired; then the number of changes (mode,
    duration, features to leave out); then the closeness of duration and model.

    Args:
        capabilities: the map.
        have: model, which the map has, mode and seconds of the request; mode and seconds may be None.
        wanted: the feature that has to work.
        used: all features of the request.
    """
    model_name, mode, duration = have
    here = capabilities.mode_in_effect(model_name, mode)
    place = capabilities.models.index(model_name)

    def cost(found: Nearest[RequestT]) -> tuple[int, ...]:
        row = found.row
        distance = abs(capabilities.models.index(row.model_name) - place)
        changes = (row.mode != here) + (row.duration != duration) + len(found.without)
        other_retired = distance > 0 and row.retired is not None
        return (
            not found.sure,
            distance > 0,
            other_retired,
            changes,
            abs((row.duration or 0) - (duration or 0)),
            distance,
        )

    works = [row for row in capabilities.rows if row.cells[wanted.name] is not Cell.NO]
    return min(
        (
            Nearest(
                row=row, without=_left_out(capabilities, row, wanted, used), sure=row.cells[wanted.name] is Cell.YES
            )
            for row in reversed(works)  # of two equally near models, prefer the newer
        ),
        key=cost,
    )


def _left_out(
    capabilities: CapabilityMap[RequestT],
    row: Capability,
    wanted: Feature[RequestT],
    used: AbstractSet[Feature[RequestT]],
) -> tuple[Feature[RequestT], ...]:
    """Returns the features of `used` that have to be left out in this row for `wanted` to work."""
    others = {feature.name: feature for feature in used if feature is not wanted}
    out = {name for name in others if row.cells[name] is Cell.NO}
    for joint in [others[name] for name in out if others[name].parts]:
        out.discard(joint.name)
        first, second = joint.parts or ("", "")
        if not out & {first, second}:  # drop one of the two, but not the wanted one
            out.add(first if second in {wanted.name, wanted.needs} else second)
    out |= {feature.name for feature in others.values() if feature.needs in out}
    return tuple(feature for feature in capabilities.features if feature.name in out)
