"""The features that a model lacks: the type of an endpoint's table, and the check against it.

A table contains only combinations that are known not to work. Uncertain or contradictory cases pass, and so does the
default of a member (`sound` off), because it uses no feature.
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import attrs

from kling_async.emulator.service.errors import Refusal, invalid

TAIL: Final = "image_tail"
TAIL_ALONE: Final = "image_tail alone"
BRUSH: Final = "static_mask/dynamic_masks"
CAMERA: Final = "camera_control"
CAMERA_SIMPLE: Final = "camera_control simple"
SOUND: Final = "sound"
VOICES: Final = "voice_list"
ELEMENTS: Final = "element_list"
MULTI_SHOT: Final = "multi_shot"

_KNOWN_AS: Final = {TAIL: "Image tail", BRUSH: "Motion brush", CAMERA: "Camera control"}


@attrs.frozen
class Row:
    """The features that one or more combinations lack.

    Attributes:
        model_name: The model.
        mode: The mode, or "" for any.
        duration: Seconds, or 0 for any.
        lacks: Refused features.
    """

    model_name: str
    mode: str
    duration: int
    lacks: AbstractSet[str]

    def applies(self, model_name: str, mode: str, duration: int) -> bool:
        """Whether the row applies to a combination."""
        return self.model_name == model_name and self.mode in {"", mode} and self.duration in {0, duration}


@attrs.frozen(kw_only=True)
class Capabilities:
    """The capabilities of an endpoint's models.

    Attributes:
        modes: The modes of each model.
        rows: The missing features; several rows may apply to one combination.
    """

    modes: Mapping[str, Collection[str]]
    rows: tuple[Row, ...]

    def check(self, model_name: str, mode: str, duration: int, used: AbstractSet[str]) -> None:
        """Refuses a request whose model, mode and duration lack features that it uses.

        Args:
            model_name: A known model.
            mode: A known mode.
            duration: Seconds.
            used: Features of the request, named as in the rows; others are ignored.

        Raises:
            Refusal: 1201, with the recorded message if there is one.
        """
        if mode not in self.modes[model_name]:
            raise invalid(f"{mode} mode is not supported by the current model: {model_name}")
        if missing := sorted(used & self.lacks(model_name, mode, duration)):
            raise self._refusal(missing[0], model_name, mode, duration)

    def lacks(self, model_name: str, mode: str, duration: int) -> set[str]:
        """Returns all features that a combination lacks."""
        return {name for row in self.rows if row.applies(model_name, mode, duration) for name in row.lacks}

    def _refusal(self, feature: str, model_name: str, mode: str, duration: int) -> Refusal:
        """Returns the refusal of a feature, worded by whether the model has it in any mode and duration."""
        ways = [(each, seconds) for each in self.modes[model_name] for seconds in (5, 10)]
        never = set.intersection(*(self.lacks(model_name, *way) for way in ways))
        name = TAIL if feature == TAIL_ALONE else feature
        if name in never and name in _KNOWN_AS:
            return invalid(f"{_KNOWN_AS[name]} is not supported by the current model")
        if feature == SOUND:
            return invalid(f"model/mode({model_name}/{mode}) is not supported with sound on")
        return unsupported(model_name, mode, duration, f"only {TAIL}" if feature == TAIL_ALONE else feature)


def unsupported(model_name: str, mode: str, duration: int, words: str) -> Refusal:
    """Returns the refusal of a feature that a combination lacks."""
    return invalid(f"model/mode/duration({model_name}/{mode}/{duration}) is not supported with {words}")
