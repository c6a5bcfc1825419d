"""Text to video: a clip made from words alone."""

from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.camera import camera_features, camera_movement
from kling_async.emulator.service.checks.capabilities import CAMERA, MULTI_SHOT, SOUND, Capabilities, Row
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.shots import is_customized, shot_features
from kling_async.emulator.service.checks.text import check_content, check_scale, prompts
from kling_async.emulator.service.checks.voices import sound_features
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.video_models import ASPECT_RATIOS, Model, VideoModels, per_second

_MEMBERS: Final[dict[str, Any]] = {
    "model_name": str,
    "prompt": str,
    "negative_prompt": str,
    "cfg_scale": float,
    "mode": str,
    "aspect_ratio": str,
    "duration": str,
    "sound": str,
    **members.VOICES,
    **members.SHOTS,
    **members.CAMERA,
    **members.EVERY_TASK,
}

# Prices of the table of 2026-09. kling-v1-5 and kling-v2-1 have no text to video. Public clients measured 319 s in the
# mean, and "5.1" as the length of 5 s of kling-v1.
_MODELS: Final = VideoModels(
    typical_seconds=319.0,
    models={
        "kling-v1": Model(fps=30, units=per_second("0.2", "0.7"), short_side=720, surplus_frames=3),
        "kling-v1-6": Model(fps=24, units=per_second("0.4", "0.7")),
        "kling-v2-master": Model(fps=24, units=per_second("2", "2"), short_side=720, pace=1.4),
        "kling-v2-1-master": Model(fps=24, units=per_second("2", "2"), short_side=1080, pace=1.4),
        "kling-v2-5-turbo": Model(fps=24, units=per_second("0.3", "0.5"), pace=0.6),
        "kling-v2-6": Model(
            fps=24,
            units=per_second("0.3", "0.5"),
            units_sound={"pro": Decimal("1.0")},
            units_voice={"pro": Decimal("1.2")},
        ),
        "kling-v3": Model(
            fps=24,
            units=per_second("0.6", "0.8", "3"),
            units_sound=per_second("0.9", "1.2", "3"),
            durations=range(3, 16),
        ),
    },
)

_PLAIN: Final = frozenset({SOUND, MULTI_SHOT, CAMERA})

# It is not documented which models accept voices, nor whether kling-v3 has a camera: both pass.
_CAPABILITIES: Final = Capabilities(
    modes=_MODELS.modes,
    rows=(
        Row("kling-v1", "", 0, _PLAIN - {CAMERA}),
        Row("kling-v1", "", 10, {CAMERA}),
        Row("kling-v1", "pro", 0, {CAMERA}),
        Row("kling-v1-6", "", 0, _PLAIN),
        Row("kling-v2-master", "", 0, _PLAIN),
        Row("kling-v2-1-master", "", 0, _PLAIN),
        Row("kling-v2-5-turbo", "", 0, _PLAIN),
        Row("kling-v2-6", "", 0, _PLAIN - {SOUND}),
        Row("kling-v2-6", "std", 0, {SOUND}),
    ),
)


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    model_name, mode, duration = _MODELS.read(body)
    prompt = prompts(body)
    aspect_ratio = fields.choice(body, "aspect_ratio", ASPECT_RATIOS, "16:9")
    check_scale(body)
    features = sound_features(body) | camera_features(body) | shot_features(body, duration)
    if is_customized(body):
        prompt = " / ".join(shot["prompt"] for shot in body["multi_prompt"])
    elif not prompt:
        raise invalid("prompt can not be null")
    _CAPABILITIES.check(model_name, mode, duration, features)
    check_content(prompt)
    every = every_task(body)
    model = _MODELS.models[model_name]
    width, height = _MODELS.size(model_name, mode, ASPECT_RATIOS[aspect_ratio])
    spec = RenderSpec(
        width=width,
        height=height,
        fps=model.fps,
        seconds=duration,
        card=prompt,
        camera=camera_movement(body),
        title=f"{model_name} {mode}",
        prompt=prompt,
        sound=SOUND in features,
    )
    return AcceptedRequest(
        **every,
        model_name=model_name,
        mode=mode,
        duration=duration,
        units=_MODELS.price(body),
        prompt=prompt,
        parameters=body,
        result=VideoResult(spec=spec, watermark=every["watermark"], surplus_frames=model.surplus_frames),
    )


ENDPOINT: Final = Endpoint(
    path="/v1/videos/text2video",
    members=_MEMBERS,
    accept=_accept,
    estimate=_MODELS.price,
    generation_seconds=_MODELS.generation_seconds,
    finds_by_external_id=True,
)
