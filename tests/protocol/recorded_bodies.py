"""Recorded bodies of the service, and responses built from them."""

import json
from pathlib import Path
from typing import Any

from kling_async.protocol.wire.envelope import HttpResponse

FOLDER = Path(__file__).parent.parent / "recorded"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
RECORDED: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in NAMES}
OTHERS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*/*.json"))
}
"""Tasks of other endpoints, and of the new generation."""


def recorded(name: str) -> HttpResponse:
    """The recorded body as a response; callbacks have no HTTP status."""
    found = {**RECORDED, **OTHERS}[name]
    return answer(found["body"], found["_meta"]["http_status"] or 200)


def answer(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    """A response with this JSON."""
    return HttpResponse(status, headers, json.dumps(body).encode())


def enveloped(data: Any, **more: Any) -> HttpResponse:
    """A successful response with this data."""
    return answer({"code": 0, "message": "SUCCEED", "request_id": "r", "data": data, **more})


def refused(code: int, status: int, message: str = "no") -> HttpResponse:
    """A refusal by the service."""
    return answer({"code": code, "message": message, "request_id": "r"}, status)
