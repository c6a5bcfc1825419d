"""What each model can do with image2video, and what a clip costs: tables, and questions to them.

The map was put together from the service's change log, its capability pages and live behaviour seen by others. It
ages: `?` stands where sources are silent or disagree, and nothing is refused for a `?` or for a model it does not know.
"""

import difflib
import enum
from collections.abc import Set as AbstractSet
from decimal import Decimal

import attrs

from kling_async.protocol.records import Estimate, ImageToVideo


class Cell(enum.Enum):
    """Whether something works."""

    YES = "y"
    NO = "-"
    UNKNOWN = "?"


class Feature(enum.StrEnum):
    """What a request may use; the values are the names of `Capability`'s cells."""

    IMAGE_ONLY = "image_only"
    TAIL = "tail"
    TAIL_ONLY = "tail_only"
    TAIL_WITH_SOUND = "tail_with_sound"
    BRUSH = "brush"
    CAMERA = "camera"
    CAMERA_PRESETS = "camera_presets"
    SOUND = "sound"
    VOICE_LIST = "voice_list"
    CFG_SCALE = "cfg_scale"
    ELEMENT_LIST = "element_list"
    MULTI_SHOT = "multi_shot"


@attrs.frozen(kw_only=True)
class Capability:
    """One row of the map.

    Attributes:
        model_name: as in the request.
        mode: `std`, `pro` or `4k`; None for a model that has no modes.
        duration: whole seconds.
        image_only: `image` alone.
        tail: `image` with `image_tail`.
        tail_only: `image_tail` alone.
        tail_with_sound: both images and `sound`.
        brush: `static_mask` and `dynamic_masks`.
        camera: `camera_control` of type `simple`.
        camera_presets: `camera_control` of the other types.
        sound: `sound=True`.
        voice_list: voices.
        cfg_scale: any `cfg_scale`.
        element_list: elements.
        multi_shot: `multi_shot=True`.
        size: of the video: `720p`, `1080p` or `4k`.
        fps: frames per second of the video; None where no source is sure.
    """

    model_name: str
    mode: str | None
    duration: int
    image_only: Cell
    tail: Cell
    tail_only: Cell
    tail_with_sound: Cell
    brush: Cell
    camera: Cell
    camera_presets: Cell
    sound: Cell
    voice_list: Cell
    cfg_scale: Cell
    element_list: Cell
    multi_shot: Cell
    size: str
    fps: int | None

    def cell(self, feature: Feature) -> Cell:
        """Whether the feature works in this row."""
        cell: Cell = getattr(self, feature)
        return cell


# The columns are Capability's fields in their order. `any` is no mode; durations are seconds, alone, as a list or a
# span. kling-v2-6 has sound and image_tail in pro, but not both at once.
_MAP = """
#                               image tail  tail  tail          camera camera                       multi
# model_name         mode  s    only        only  sound  brush         presets sound voice cfg elem shot   size  fps
kling-v1             std   5    y     y     ?     -      y      ?      ?       -     -     y   -    -      720p  30
kling-v1             std   10   y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1             pro   5    y     ?     ?     -      y      ?      ?       -     -     y   -    -      720p  30
kling-v1             pro   10   y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1-5           std   5,10 y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1-5           pro   5    y     y     y     -      y      y      -       -     -     y   -    -      1080p 30
kling-v1-5           pro   10   y     y     ?     -      ?      -      -       -     -     y   -    -      1080p 30
kling-v1-6           std   5,10 y     -     -     -      -      -      -       -     -     y   -    -      720p  30
kling-v1-6           pro   5,10 y     y     y     -      -      -      -       -     -     y   -    -      1080p 30
kling-v2-master      any   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  24
kling-v2-1           std   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  ?
kling-v2-1           pro   5,10 y     y     ?     -      -      -      -       -     -     -   -    -      1080p ?
kling-v2-1-master    pro   5,10 y     ?     -     -      -      -      -       -     -     -   -    -      1080p 24
kling-v2-5-turbo     std   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  ?
kling-v2-5-turbo     pro   5    y     ?     -     -      -      -      -       -     -     -   -    -      1080p 24
kling-v2-5-turbo     pro   10   y     y     -     -      -      -      -       -     -     -   -    -      1080p 24
kling-v2-6           std   5,10 y     -     -     -      -      -      -       -     -     -   -    -      720p  ?
kling-v2-6           pro   5,10 y     y     -     -      -      -      -       y     y     -   -    -      1080p 24
kling-v3             std   3-15 y     y     -     ?      ?      -      -       y     -     ?   y    y      720p  ?
kling-v3             pro   3-15 y     y     -     ?      ?      ?      ?       y     -     ?   y    y      1080p ?
kling-v3             4k    3-15 y     y     -     ?      -      -      -       y     -     ?   y    y      4k    ?
"""

# Units per second and clip: silent, with sound, with sound and voices. `?` is no known price.
_PRICES = """
# model_name         mode  silent sound voice
kling-v2-1           std   0.4    ?     ?
kling-v2-1           pro   0.7    ?     ?
kling-v2-1-master    pro   2.0    ?     ?
kling-v2-5-turbo     std   0.3    ?     ?
kling-v2-5-turbo     pro   0.5    ?     ?
kling-v2-6           std   0.3    ?     ?
kling-v2-6           pro   0.5    1.0   1.2
kling-v3             std   0.6    0.9   ?
kling-v3             pro   0.8    1.2   ?
kling-v3             4k    3      3     ?
"""

USD_PER_UNIT = Decimal("0.14")
"""List price of one video unit (price table of 2026-09)."""


def _lines(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines() if not line.startswith("#")]


def _mode(word: str) -> str | None:
    return None if word == "any" else word


def _seconds(words: str) -> list[int]:
    if "-" in words:
        first, last = words.split("-")
        return list(range(int(first), int(last) + 1))
    return [int(word) for word in words.split(",")]


def _rows(line: list[str]) -> list[Capability]:
    model_name, mode, seconds, *cells, size, fps = line
    return [
        Capability(
            model_name=model_name,
            mode=_mode(mode),
            duration=duration,
            size=size,
            fps=None if fps == "?" else int(fps),
            **{feature.value: Cell(cell) for feature, cell in zip(Feature, cells, strict=True)},
        )
        for duration in _seconds(seconds)
    ]


CAPABILITIES: tuple[Capability, ...] = tuple(row for line in _lines(_MAP) for row in _rows(line))
"""The whole map, models from old to new."""

_BY_KEY = {(row.model_name, row.mode, row.duration): row for row in CAPABILITIES}
_MODELS = tuple(dict.fromkeys(row.model_name for row in CAPABILITIES))
_UNITS_PER_SECOND = {(model_name, _mode(mode)): prices for model_name, mode, *prices in _lines(_PRICES)}


# ----------------------------------------------------------------------------------------------- questions


def known_models() -> tuple[str, ...]:
    """The models in the map, from old to new. Some may be withdrawn; the service says so when it is asked."""
    return _MODELS


def modes_of(model_name: str) -> tuple[str | None, ...]:
    """The modes of a known model, `(None,)` for one that has none; empty for an unknown model."""
    return tuple(dict.fromkeys(row.mode for row in CAPABILITIES if row.model_name == model_name))


def durations_of(model_name: str) -> tuple[int, ...]:
    """The durations of a known model in seconds, the same in all its modes; empty for an unknown model."""
    return tuple(dict.fromkeys(row.duration for row in CAPABILITIES if row.model_name == model_name))


def mode_in_effect(model_name: str, mode: str | None) -> str | None:
    """The mode of the map's row that a request's `mode` leads to.

    A left-out mode is `std`, or the only mode of a model without `std`. As `std` is what the service takes by itself,
    it says nothing to a model without modes.
    """
    modes = modes_of(model_name)
    if mode is None:
        return modes[0] if modes else "std"  # the map lists std first
    return None if mode == "std" and modes == (None,) else mode


def capability(model_name: str, mode: str | None, duration: int) -> Capability | None:
    """The row for a combination; None for unknown models, and for a mode or duration that the model does not have.

    Args:
        model_name: as in the request.
        mode: as in the request; None is what the model does without it.
        duration: whole seconds.
    """
    return _BY_KEY.get((model_name, mode_in_effect(model_name, mode), duration))


def units(
    model_name: str, mode: str | None, duration: int, *, sound: bool = False, voice: bool = False
) -> Decimal | None:
    """What a clip costs at list price, in video units of `USD_PER_UNIT`; None where no price is known.

    The requested whole seconds are billed. Prices are of the price table of 2026-09; those of kling-v2-1 and
    kling-v2-1-master were reported by a user.

    Args:
        model_name: as in the request.
        mode: as in the request; None is what the model does without it.
        duration: whole seconds.
        sound: whether the clip has sound.
        voice: whether it uses `voice_list`, which includes sound.
    """
    row = capability(model_name, mode, duration)
    prices = _UNITS_PER_SECOND.get((row.model_name, row.mode)) if row else None
    if prices is None:
        return None
    price = prices[2 if voice else 1 if sound else 0]
    return None if price == "?" else Decimal(price) * duration


def estimate(request: ImageToVideo) -> Estimate:
    """What a request costs; a mode or duration that cannot be has no price."""
    amount = None
    known = isinstance(request.model_name, str) and isinstance(request.mode, str | None)
    if known and isinstance(request.duration, int):
        amount = units(
            request.model_name,
            request.mode,
            request.duration,
            sound=bool(request.sound),
            voice=bool(request.voice_list),
        )
    return Estimate(units=amount, usd=None if amount is None else amount * USD_PER_UNIT)


def unknown_model(model_name: str) -> str | None:
    """Says that the map does not have a model, and which there are; None if it has it."""
    if model_name in _MODELS:
        return None
    near = difflib.get_close_matches(model_name, _MODELS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"no model {model_name!r} is known here{hint}; known are {', '.join(_MODELS)}"


@attrs.frozen(kw_only=True)
class Nearest:
    """The combination nearest to a request in which a feature works.

    Attributes:
        row: the model, mode and duration to take.
        without: what else the request uses and has to leave out there.
        sure: False if the row has only a `?` for the feature, because no row has more.
    """

    row: Capability
    without: tuple[Feature, ...]
    sure: bool


def nearest(model_name: str, mode: str | None, duration: int, wanted: Feature, used: AbstractSet[Feature]) -> Nearest:
    """The row where `wanted` works that takes the fewest changes of a request.

    Keeping the model counts most; then the number of changes (mode, duration, features to leave out); then
    a duration and a model that are close.

    Args:
        model_name: a known model.
        mode: as in the request.
        duration: seconds, as in the request.
        wanted: the feature that has to work.
        used: all features of the request.
    """
    here = mode_in_effect(model_name, mode)
    place = _MODELS.index(model_name)

    def cost(found: Nearest) -> tuple[int, ...]:
        row = found.row
        distance = abs(_MODELS.index(row.model_name) - place)
        changes = (row.mode != here) + (row.duration != duration) + len(found.without)
        return (not found.sure, distance > 0, changes, abs(row.duration - duration), distance)

    works = [row for row in CAPABILITIES if row.cell(wanted) is not Cell.NO]
    return min(
        (
            Nearest(row=row, without=_left_out(row, wanted, used), sure=row.cell(wanted) is Cell.YES)
            for row in reversed(works)  # of two that are equally near, the newer
        ),
        key=cost,
    )


def _left_out(row: Capability, wanted: Feature, used: AbstractSet[Feature]) -> tuple[Feature, ...]:
    """What of `used` has to go in this row for `wanted` to work."""
    out = {feature for feature in used - {wanted} if row.cell(feature) is Cell.NO}
    both = Feature.TAIL_WITH_SOUND in out
    out.discard(Feature.TAIL_WITH_SOUND)
    if both and not out & {Feature.TAIL, Feature.SOUND}:  # one of the two goes; voices need the sound
        out.add(Feature.TAIL if wanted in {Feature.SOUND, Feature.VOICE_LIST} else Feature.SOUND)
    if Feature.SOUND in out and Feature.VOICE_LIST in used - {wanted}:
        out.add(Feature.VOICE_LIST)
    return tuple(feature for feature in Feature if feature in out)
