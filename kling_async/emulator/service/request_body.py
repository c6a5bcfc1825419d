"""The body of a request, from bytes to documented members."""

import json
from collections.abc import Mapping
from typing import Any

from .checks import members
from .errors import Refusal


def parse(pieces: list[bytes], documented: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """Read the body of a request, received in pieces. The list is emptied, to have few copies at once.

    Unknown members are ignored, as the service does; the old name `model` is one of them, so that such a request
    is one for the default model.

    Args:
        pieces: Its bytes.
        documented: What is documented of it, as `checks.members` has it.
        strict: Whether values must have the documented JSON types.

    Returns:
        Its documented members, unchecked.

    Raises:
        Refusal: 1200, when it is no JSON object.
    """
    try:
        raw = b"".join(pieces)
        pieces.clear()
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(1200, "request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Refusal(1200, "request body must be a JSON object")
    return members.documented(body, documented, strict=strict)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
