"""Text to audio: a sound made from words."""

from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.sounds import SoundResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.text import check_content, limited
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid

_MEMBERS: Final[dict[str, Any]] = {"prompt": str, "duration": float, **members.WITHOUT_WATERMARK}

_PROMPT_LIMIT: Final = 200
_SHORTEST, _LONGEST = 3, 10
_UNITS: Final = Decimal("0.25")  # per call, by the table of 2026-09
_TYPICAL_SECONDS: Final = 60.0  # between the times of the documentation's example


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    prompt = limited(body, "prompt", most=_PROMPT_LIMIT)
    if not prompt:
        raise invalid("prompt can not be null")
    seconds = fields.number(body, "duration", _SHORTEST, _LONGEST)
    if seconds is None:
        raise invalid("duration can not be null")
    check_content(prompt)
    return AcceptedRequest(
        **every_task(body),
        duration=round(seconds),
        units=_UNITS,
        prompt=prompt,
        parameters=body,
        result=SoundResult(text=prompt, milliseconds=round(1000 * seconds)),
    )


ENDPOINT: Final = Endpoint(
    path="/v1/audio/text-to-audio",
    members=_MEMBERS,
    accept=_accept,
    estimate=lambda _body: _UNITS,
    generation_seconds=lambda _body: _TYPICAL_SECONDS,
    finds_by_external_id=True,
)
