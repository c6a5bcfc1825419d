"""Motion control: the person of a picture moves as the one of a video does."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.capabilities import ELEMENTS, Capabilities, Row
from kling_async.emulator.service.checks.earlier import lasting, parent_of
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import damage, picture, without_data
from kling_async.emulator.service.checks.text import check_content, prompts
from kling_async.emulator.service.checks.videos import CLIP_SECONDS, keeps_sound, video
from kling_async.emulator.service.checks.voices import element_features
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Earlier, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.video_models import Model, VideoModels, per_second

_MEMBERS: Final[dict[str, Any]] = {
    "model_name": str,
    "image_url": str,
    "video_url": str,
    "character_orientation": str,
    "mode": str,
    "prompt": str,
    "keep_original_sound": str,
    **members.ELEMENTS,
    **members.EVERY_TASK,
}

# Prices of the table of 2026-09, per second of the result, which is as long as the video. The length of a video that
# the account has not made is not known here. One user waited 181 s for 4.8 s in pro.
_SECONDS: Final = range(CLIP_SECONDS, CLIP_SECONDS + 1)
_MODELS: Final = VideoModels(
    typical_seconds=181.0,
    models={
        "kling-v2-6": Model(fps=24, units=per_second("0.5", "0.8"), durations=_SECONDS),
        "kling-v3": Model(fps=24, units=per_second("0.9", "1.2"), durations=_SECONDS),
    },
    default="kling-v2-6",
    default_mode="",
)
_SHORTEST: Final = 3
_LONGEST: Final = {"image": 10, "video": 30}

_CAPABILITIES: Final = Capabilities(modes=_MODELS.modes, rows=(Row("kling-v2-6", "", 0, {ELEMENTS}),))


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request against all rules, in the order in which they are met."""
    model_name, mode, duration = _MODELS.read(body)
    image = picture(body, "image_url")
    if image is None:
        raise invalid("image_url can not be null")
    if not video(body, "video_url"):
        raise invalid("video_url can not be null")
    orientation = fields.choice(body, "character_orientation", ("image", "video"), "")
    if not orientation:
        raise invalid("character_orientation can not be null")
    features = element_features(body, limit=1)
    _CAPABILITIES.check(model_name, mode, duration, features)
    if ELEMENTS in features and orientation != "video":
        raise invalid("element_list is only supported with character_orientation video")
    prompt = prompts(body)
    check_content(prompt)
    every = every_task(body)
    width, height = _MODELS.size(model_name, mode, (image.width, image.height))
    spec = RenderSpec(
        width=width,
        height=height,
        fps=_MODELS.models[model_name].fps,
        seconds=duration,
        image="image_url",
        title=f"{model_name} {mode}",
        prompt=prompt,
        sound=keeps_sound(body),
    )
    return AcceptedRequest(
        **every,
        model_name=model_name,
        mode=mode,
        duration=duration,
        units=_MODELS.price(body),
        prompt=prompt,
        parameters=without_data(body, tuple(_pictures(body)), {"image_url": image}),
        result=VideoResult(spec=spec, watermark=every["watermark"]),
        damage=damage(_pictures(body), image),
    )


def _complete(request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Sets the clip's length to that of a video of the account."""
    longest = _LONGEST[request.parameters["character_orientation"]]
    seconds = int(float(parent_of(request.parameters, earlier, _SHORTEST, longest).duration))
    return lasting(request, seconds, request.units / request.duration * seconds)


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "image_url", body["image_url"]


ENDPOINT: Final = Endpoint(
    path="/v1/videos/motion-control",
    members=_MEMBERS,
    accept=_accept,
    complete=_complete,
    estimate=_MODELS.price,
    generation_seconds=_MODELS.generation_seconds,
    pictures=_pictures,
    finds_by_external_id=True,
)
