"""Video to audio: generates a matching sound for a video."""

from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.several import SeveralResults
from kling_async.emulator.results.sounds import SoundResult
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.earlier import lasting, one_video, parent_of, showing
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.text import check_content, limited
from kling_async.emulator.service.checks.videos import CLIP_SECONDS
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Earlier, Endpoint

_PROMPTS: Final = ("sound_effect_prompt", "bgm_prompt")
_MEMBERS: Final[dict[str, Any]] = {
    "video_id": str,
    "video_url": str,
    **dict.fromkeys(_PROMPTS, str),
    "asmr_mode": bool,
    **members.WITHOUT_WATERMARK,
}

_PROMPT_LIMIT: Final = 200
_SHORTEST, _LONGEST = 3, 20
_UNITS: Final = Decimal("0.25")  # per call, by the table of 2026-09
_TYPICAL_SECONDS: Final = 60.0  # between the times of the documentation's example


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request as far as possible without the video."""
    one_video(body)
    given = [limited(body, name, most=_PROMPT_LIMIT) for name in _PROMPTS]
    fields.member(body, "asmr_mode", bool)
    prompt = " / ".join(filter(None, given))
    check_content(prompt)
    spec = RenderSpec(
        width=1280,
        height=720,
        fps=24,
        seconds=CLIP_SECONDS,
        card=prompt or "sound",
        title="video-to-audio",
        prompt=prompt,
        sound=True,
    )
    return AcceptedRequest(
        **every_task(body),
        duration=CLIP_SECONDS,
        units=_UNITS,
        prompt=prompt,
        parameters=body,
        result=VideoResult(spec=spec, watermark=False),
    )


def _complete(request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Makes a result that shows the same as the input video and is as long, with its sound also as a separate file."""
    video = parent_of(request.parameters, earlier, _SHORTEST, _LONGEST)
    seconds = int(float(video.duration))
    dubbed = showing(lasting(request, seconds, _UNITS), video, earlier)
    sound = SoundResult(text=request.prompt or "sound", milliseconds=1000 * seconds)
    return attrs.evolve(dubbed, result=SeveralResults((dubbed.result, sound)))


ENDPOINT: Final = Endpoint(
    path="/v1/audio/video-to-audio",
    members=_MEMBERS,
    accept=_accept,
    complete=_complete,
    estimate=lambda _body: _UNITS,
    generation_seconds=lambda _body: _TYPICAL_SECONDS,
    finds_by_external_id=True,
)
