"""What to change of a request so that a feature works: the combination of a capability map that is nearest to it."""

from collections.abc import Set as AbstractSet
from typing import Generic

import attrs

from kling_async.protocol.capability import Capability, CapabilityMap, Cell, Feature, RequestT


@attrs.frozen(kw_only=True)
class Nearest(Generic[RequestT]):
    """The combination nearest to a request in which a feature works.

    Attributes:
        row: the model, mode and duration to take.
        without: what else the request uses and has to leave out there.
        sure: False if the row has only a `?` for the feature, because no row has more.
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
    """The row where `wanted` works that takes the fewest changes of a request.

    Keeping the model counts most; then that another one is not retired; then the number of changes (mode, duration,
    features to leave out); then a duration and a model that are close.

    Args:
        capabilities: the map.
        have: a known model, and mode and seconds as in the request; None where none are asked for.
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
            for row in reversed(works)  # of two that are equally near, the newer
        ),
        key=cost,
    )


def _left_out(
    capabilities: CapabilityMap[RequestT],
    row: Capability,
    wanted: Feature[RequestT],
    used: AbstractSet[Feature[RequestT]],
) -> tuple[Feature[RequestT], ...]:
    """What of `used` has to go in this row for `wanted` to work."""
    others = {feature.name: feature for feature in used if feature is not wanted}
    out = {name for name in others if row.cells[name] is Cell.NO}
    for joint in [others[name] for name in out if others[name].parts]:
        out.discard(joint.name)
        first, second = joint.parts or ("", "")
        if not out & {first, second}:  # one of the two goes, and not the one that is wanted
            out.add(first if second in {wanted.name, wanted.needs} else second)
    out |= {feature.name for feature in others.values() if feature.needs in out}
    return tuple(feature for feature in capabilities.features if feature.name in out)
