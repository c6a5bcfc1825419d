"""Voices for videos: creation from a recording or a clip, presets, and deletion."""

from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.voices import VoiceResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.earlier import parent_of
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import UNREACHABLE_MESSAGE, is_reachable
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Earlier, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.synchronous import CallContext, CallEndpoint

_MEMBERS: Final[dict[str, Any]] = {"voice_name": str, "voice_url": str, "video_id": str, **members.WITHOUT_WATERMARK}

_SHORTEST, _LONGEST = 5, 30
_UNITS: Final = Decimal("0.05")
_TYPICAL_SECONDS: Final = 12.0
"""One user observed 9 to 15 s."""

_PAGE_MAXIMUM: Final = 1000
_PRESETS: Final = {
    "829824295735410756": "Sunny",
    "829824295735410757": "Grace",
    "829824295735410758": "Titan",
}
"""Names of the emulator's own presets, by id; the first id is that of the documentation's example."""


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request."""
    name = fields.limited(body, "voice_name", 20, "voice")
    fields.one_of(body, "voice_url", "video_id")
    url = fields.text(body, "voice_url")
    if url and not url.startswith(("http://", "https://")):
        raise invalid("voice_url is invalid")
    return AcceptedRequest(
        **every_task(body),
        units=_UNITS,
        prompt="",
        parameters=body,
        result=VoiceResult(name=name),
        damage=UNREACHABLE_MESSAGE if url and not is_reachable(url) else "",
    )


def _complete(request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Checks that the video exists, and its length."""
    if request.parameters.get("video_id"):
        parent_of(request.parameters, earlier, _SHORTEST, _LONGEST)
    return request


def _presets(query: Body, context: CallContext) -> list[dict[str, Any]]:
    return context.page(query, _PAGE_MAXIMUM)


def _delete(body: Body, context: CallContext) -> dict[str, Any]:
    return context.delete("voices", fields.required(body, "voice_id", str, "voice"))


ENDPOINTS: Final = (
    Endpoint(
        path="/v1/general/custom-voices",
        members=_MEMBERS,
        accept=_accept,
        complete=_complete,
        estimate=lambda _body: _UNITS,
        generation_seconds=lambda _body: _TYPICAL_SECONDS,
        finds_by_external_id=True,
        page_maximum=_PAGE_MAXIMUM,
    ),
    CallEndpoint(
        path="/v1/general/presets-voices",
        answer=_presets,
        kind="list",
        presets={key: VoiceResult(name=name, owner="kling") for key, name in _PRESETS.items()},
    ),
    CallEndpoint(path="/v1/general/delete-voices", members={"voice_id": str}, answer=_delete),
)
