"""Options as the documented parameters: text in, values out."""

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, cast

from kling_async.cli.exits import UsageError

AXES: Final = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")

STDIN_BYTES: Final = 64 * 2**20
"""Read of standard input at most: far more than a picture may have, which is for the checks to say."""

_PLAIN: Final = (
    "image",
    "image_tail",
    "prompt",
    "negative_prompt",
    "model_name",
    "mode",
    "duration",
    "sound",
    "cfg_scale",
    "static_mask",
    "multi_shot",
    "shot_type",
    "callback_url",
    "external_task_id",
)
"""Options that are parameters as they stand."""


def parameters(options: Namespace, read_stdin: Callable[[], bytes]) -> dict[str, Any]:
    """The parameters of `KlingClient.image_to_video`; what was not given is left out.

    Raises:
        UsageError: an option cannot be read.
    """
    found = {name: getattr(options, name) for name in _PLAIN}
    found |= {
        "camera_control": _given(options.camera_control, camera_control),
        "dynamic_masks": _given(options.dynamic_masks, lambda text: from_json("--dynamic-masks", text)),
        "multi_prompt": _given(options.multi_prompt, lambda text: from_json("--multi-prompt", text)),
        "element_list": _given(options.element_list, lambda text: listed("--element-list", text)),
        "voice_list": _given(options.voice_list, lambda text: listed("--voice-list", text)),
        "watermark_info": {"enabled": True} if options.watermark else None,
    }
    pictures = [name for name in ("image", "image_tail", "static_mask") if found[name] == "-"]
    if len(pictures) > 1:
        raise UsageError(f"only one picture can come from standard input, not {' and '.join(pictures)}")
    for name in pictures:
        found[name] = read_stdin()
    return {name: value for name, value in found.items() if value is not None}


def camera_control(text: str) -> Any:
    """Reads `zoom=5`, the name of a preset, or JSON.

    Raises:
        UsageError: it is none of these.
    """
    if text.startswith(("{", "@")):
        return from_json("--camera-control", text)
    axis, equals, amount = text.partition("=")
    if not equals:
        return {"type": text}  # whether there is such a preset is for the checks to say
    if axis not in AXES:
        raise UsageError(f"--camera-control: {axis!r} is no movement; use one of {', '.join(AXES)}, such as zoom=5")
    try:
        return {"type": "simple", "config": {axis: float(amount)}}
    except ValueError:
        raise UsageError(f"--camera-control: {axis} needs a number from -10 to 10, got {amount!r}") from None


def from_json(option: str, text: str) -> Any:
    """Reads JSON, or `@FILE` that holds it.

    Raises:
        UsageError: it is no JSON, or the file cannot be read.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or "it is no UTF-8 text"
            raise UsageError(f"{option}: {text[1:]} cannot be read: {reason}") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{option} is no JSON: {error}") from None


def listed(option: str, text: str) -> list[str]:
    """Reads ids with commas between.

    Raises:
        UsageError: there is none.
    """
    ids = [id_.strip() for id_ in text.split(",") if id_.strip()]
    if not ids:
        raise UsageError(f"{option} needs ids with commas between, such as 123,456")
    return ids


def stdin_bytes() -> bytes:
    """The picture that is piped into the command.

    Raises:
        UsageError: there is none.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads the picture from standard input, but nothing is piped into it")
    stdin = cast("BufferedReader", sys.stdin.buffer)
    data = bytearray()
    # Piece by piece, as one long read would not always notice a Ctrl-C.
    while len(data) < STDIN_BYTES and (piece := stdin.read1(2**16)):
        data += piece
    if not data:
        raise UsageError("standard input is empty: there is no picture in it")
    return bytes(data)


def _given(text: str | None, convert: Callable[[str], Any]) -> Any:
    return None if text is None else convert(text)
