"""Parses the body of a request into its documented members."""

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from .checks import members
from .errors import Refusal, invalid

MAX_BODY_BYTES: Final = 100 * 2**20
"""Limit of a request's body; well above the documented maximum of all images."""


async def receive(request: web.Request) -> list[bytes]:
    """Receives the body of a POST in pieces, which `parse` joins off the event loop.

    Raises:
        Refusal: 1200, when it is not JSON, too large, or incomplete.
    """
    if request.content_type != "application/json":
        raise Refusal(1200, "Content-Type must be application/json")
    pieces: list[bytes] = []
    size = request.content_length or 0
    received = 0
    while size <= MAX_BODY_BYTES:
        try:
            piece = await request.content.readany()
        except (ConnectionError, web.RequestPayloadError):
            raise Refusal(1200, "request body is incomplete") from None
        if not piece:
            return pieces
        pieces.append(piece)
        received += len(piece)
        size = max(size, received)
    raise Refusal(1200, "request body is too large")


def parse(
    pieces: list[bytes], documented: Mapping[str, Any], *, strict: bool, only_known: bool = False
) -> dict[str, Any]:
    """Parses the body of a request, received in pieces. The list is emptied, to hold few copies at once.

    Unknown members are ignored, as by the service; the old name `model` is one of them, so that such a request
    gets the default model.

    Args:
        pieces: Its bytes.
        documented: Its documented members, as in `checks.members`.
        strict: Whether values must have the documented JSON types.
        only_known: Whether unknown members are refused.

    Returns:
        Its documented members, unchecked.

    Raises:
        Refusal: 1200, when it is not a JSON object; 1201, when it has an unknown member and `only_known` is set.
    """
    try:
        raw = b"".join(pieces)
        pieces.clear()
        body = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(1200, "request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Refusal(1200, "request body must be a JSON object")
    if only_known and (unknown := next(members.unknown(body, documented), None)):
        raise invalid(f"{unknown} is not supported here")
    return members.documented(body, documented, strict=strict)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
