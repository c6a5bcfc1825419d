"""The documented members of creates and their JSON types: nothing else of a request is kept.

A type is a Python type for a scalar, a mapping for an object, and a list of one type for an array.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

CAMERA: Final[dict[str, Any]] = {
    "camera_control": {
        "type": str,
        "config": dict.fromkeys(("horizontal", "vertical", "pan", "tilt", "roll", "zoom"), float),
    },
}
SHOTS: Final[dict[str, Any]] = {
    "multi_shot": bool,
    "shot_type": str,
    "multi_prompt": [{"index": int, "prompt": str, "duration": str}],
}
VOICES: Final[dict[str, Any]] = {"voice_list": [{"voice_id": str}]}
ELEMENTS: Final[dict[str, Any]] = {"element_list": [{"element_id": int}]}
WITHOUT_WATERMARK: Final[dict[str, Any]] = {"callback_url": str, "external_task_id": str}
EVERY_TASK: Final[dict[str, Any]] = {"watermark_info": {"enabled": bool}, **WITHOUT_WATERMARK}

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_TRUTH: Final[dict[object, bool]] = {"true": True, "false": False, 1: True, 0: False}


def documented(body: Mapping[str, Any], members: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """Copies the documented members of a request.

    Args:
        body: The unchecked request; members that are not documented, at any depth, are omitted.
        members: The documented members.
        strict: Whether a value of another JSON type is kept unchanged. If not, numbers in strings become numbers, and
            scalars become strings where strings are documented, as the service probably does. The checks refuse
            values that are still invalid.
    """
    fitted: dict[str, Any] = _fitted(body, members, strict=strict)
    return fitted


def unknown(body: Any, members: Any, path: str = "") -> Iterator[str]:
    """Yields the path of each member of a request that is not documented: "settings.mode", "contents[0].image".

    Args:
        body: The unchecked request, or a part of it.
        members: Its documented members.
        path: The path of the part.
    """
    if isinstance(members, Mapping) and isinstance(body, dict):
        for name, value in body.items():
            place = f"{path}.{name}" if path else name
            if name in members:
                yield from unknown(value, members[name], place)
            else:
                yield place
    elif isinstance(members, list) and isinstance(body, list):
        for number, each in enumerate(body):
            yield from unknown(each, members[0], f"{path}[{number}]")


def texts(body: Any, members: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yields each string of a request.

    Args:
        body: The documented members of a request, unchecked, or a part of them.
        members: Their types.
        name: The member that contains the part.

    Yields:
        The name of the member that contains the string, or the array of strings, and the string.
    """
    if isinstance(members, Mapping):
        for each in body if isinstance(body, dict) else ():
            yield from texts(body[each], members[each], each)
    elif isinstance(members, list):
        for each in body if isinstance(body, list) else ():
            yield from texts(each, members[0], name)
    elif isinstance(body, str):
        yield name, body


def changed(body: Any, members: Any, change: Callable[[str, str], str], name: str = "") -> Any:
    """Copies a request with other strings.

    Args:
        body: As in `texts`.
        members: As in `texts`.
        change: Returns the new string for a pair that `texts` yields.
        name: As in `texts`.
    """
    if isinstance(members, Mapping) and isinstance(body, dict):
        return {each: changed(value, members[each], change, each) for each, value in body.items()}
    if isinstance(members, list) and isinstance(body, list):
        return [changed(each, members[0], change, name) for each in body]
    return change(name, body) if isinstance(body, str) else body


def with_links(parameters: Any, body: Any) -> Any:
    """Copies the stored parameters of a request, or a part of them, with the links of the original request.

    Args:
        parameters: The stored parameters.
        body: The same part of the original request.
    """
    if isinstance(parameters, dict) and isinstance(body, dict):
        return {name: with_links(value, body.get(name)) for name, value in parameters.items()}
    if isinstance(parameters, list) and isinstance(body, list):
        return [with_links(*pair) for pair in zip(parameters, body, strict=True)]
    return body if isinstance(body, str) and body.startswith(("http://", "https://")) else parameters


def _fitted(value: Any, shape: Any, *, strict: bool) -> Any:
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return value
        return {name: _fitted(value[name], kind, strict=strict) for name, kind in shape.items() if name in value}
    if isinstance(shape, list):
        return [_fitted(each, shape[0], strict=strict) for each in value] if isinstance(value, list) else value
    return value if strict else _scalar(value, shape)


def _scalar(value: Any, kind: type) -> Any:
    if kind is str:
        return json.dumps(value) if isinstance(value, (bool, int, float)) else value
    if value == "":
        return None
    if kind is bool:
        return _TRUTH.get(value, value) if isinstance(value, (str, int)) else value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if kind is float or "." in value else int(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
