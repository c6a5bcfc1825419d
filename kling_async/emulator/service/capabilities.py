"""Which features the emulated models lack: data, and the one check that goes by it.

Only combinations that are known not to work are listed. What is uncertain or contradicted passes, and so does the
default of a member (`sound` off), because it asks for nothing.
"""

from collections.abc import Set as AbstractSet
from typing import Final

import attrs

from . import catalog
from .errors import invalid

_TAIL: Final = "image_tail"
_TAIL_ALONE: Final = "image_tail alone"
_BRUSH: Final = "static_mask/dynamic_masks"
_CAMERA: Final = "camera_control"
_SOUND: Final = "sound"
_VOICES: Final = "voice_list"

_KNOWN_AS: Final = {_TAIL: "Image tail", _BRUSH: "Motion brush", _CAMERA: "Camera control"}

_SILENT: Final = frozenset({_SOUND, _VOICES})
_PLAIN: Final = frozenset({_TAIL, _TAIL_ALONE, _BRUSH, _CAMERA}) | _SILENT


@attrs.frozen
class Row:
    """What one or more combinations lack.

    Attributes:
        model_name: The model.
        mode: The mode, or "" for any.
        duration: Seconds, or 0 for any.
        lacks: Features that are refused.
    """

    model_name: str
    mode: str
    duration: int
    lacks: frozenset[str]

    def applies(self, model_name: str, mode: str, duration: int) -> bool:
        """Tell whether the row speaks of a combination."""
        return self.model_name == model_name and self.mode in {"", mode} and self.duration in {0, duration}


# image2video documentation, capability map; a combination may have several rows.
ROWS: Final = (
    Row("kling-v1", "", 0, _SILENT),
    Row("kling-v1", "", 10, _PLAIN),
    Row("kling-v1-5", "std", 0, _PLAIN),
    Row("kling-v1-5", "pro", 0, _SILENT),
    Row("kling-v1-5", "pro", 10, frozenset({_CAMERA})),
    Row("kling-v1-6", "std", 0, _PLAIN),
    Row("kling-v1-6", "pro", 0, _SILENT | {_BRUSH, _CAMERA}),
    Row("kling-v2-master", "", 0, _PLAIN),
    Row("kling-v2-1", "std", 0, _PLAIN),
    Row("kling-v2-1", "pro", 0, _SILENT | {_BRUSH, _CAMERA}),
    Row("kling-v2-1-master", "", 0, _PLAIN),
    Row("kling-v2-5-turbo", "std", 0, _PLAIN),
    Row("kling-v2-5-turbo", "pro", 0, _PLAIN - {_TAIL}),
    Row("kling-v2-6", "std", 0, _PLAIN),
    Row("kling-v2-6", "pro", 0, frozenset({_TAIL_ALONE, _BRUSH, _CAMERA})),
    Row("kling-v3", "", 0, frozenset({_TAIL_ALONE, _VOICES})),
    Row("kling-v3", "pro", 0, frozenset({_BRUSH})),
    Row("kling-v3", "4k", 0, frozenset({_BRUSH, _CAMERA})),
)


def check_capabilities(model_name: str, mode: str, duration: int, used: AbstractSet[str]) -> None:
    """Refuse a request whose model, mode and duration do not have the features that it uses.

    Args:
        model_name: A known model.
        mode: A known mode.
        duration: Seconds.
        used: Features of the request, named as in `ROWS`; "camera_control simple" adds to "camera_control".

    Raises:
        Refusal: 1201, worded as recorded where there is a record.
    """
    if mode not in catalog.MODELS[model_name].units:
        raise invalid(f"{mode} mode is not supported by the current model: {model_name}")
    lacks = _lacks(model_name, mode, duration)
    if missing := sorted(used & lacks):
        raise invalid(_message(missing[0], model_name, mode, duration))
    where = f"model/mode/duration({model_name}/{mode}/{duration}) is not supported with"
    if model_name == "kling-v2-6" and {_TAIL, _SOUND} <= used:
        raise invalid(f"{where} {_TAIL} and sound on")
    if model_name == "kling-v1-5" and _CAMERA in used and "camera_control simple" not in used:
        raise invalid(f"{where} camera_control of a type other than simple")


def _lacks(model_name: str, mode: str, duration: int) -> AbstractSet[str]:
    lacks = {name for row in ROWS if row.applies(model_name, mode, duration) for name in row.lacks}
    return lacks if model_name == "kling-v3" else lacks | {"element_list", "multi_shot"}


def _message(feature: str, model_name: str, mode: str, duration: int) -> str:
    """Word the refusal of a feature, which depends on whether the model has it in any mode and duration."""
    ways = [(each, seconds) for each in catalog.MODELS[model_name].units for seconds in (5, 10)]
    never = set.intersection(*(set(_lacks(model_name, *way)) for way in ways))
    name = _TAIL if feature == _TAIL_ALONE else feature
    if name in never and name in _KNOWN_AS:
        return f"{_KNOWN_AS[name]} is not supported by the current model"
    if feature == _SOUND:
        return f"model/mode({model_name}/{mode}) is not supported with sound on"
    words = f"only {_TAIL}" if feature == _TAIL_ALONE else feature
    return f"model/mode/duration({model_name}/{mode}/{duration}) is not supported with {words}"
