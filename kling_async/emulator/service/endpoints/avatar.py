"""Avatar: the person of a picture speaks a sound."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.earlier import audio_seconds, lasting
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import brief, damage, picture
from kling_async.emulator.service.checks.sounds import GUESSED_SECONDS, LENGTH_MESSAGE, sound
from kling_async.emulator.service.checks.text import check_content, prompts
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Earlier, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.video_models import SHORT_SIDE, frame_size

_MEMBERS: Final[dict[str, Any]] = {
    "image": str,
    "audio_id": str,
    "sound_file": str,
    "prompt": str,
    "mode": str,
    **members.EVERY_TASK,
}

_UNITS: Final = {"std": Decimal("0.4"), "pro": Decimal("0.8")}
"""Price of a second. One observed bill was for 11 s, with a sound of 11.3 s and a clip of 12.27 s."""

_TYPICAL_SECONDS: Final = 600.0
"""Ten minutes and more, according to the change log."""

_SHORTEST, _LONGEST = 2, 300


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request as far as possible without an earlier sound."""
    image = picture(body, "image")
    if image is None:
        raise invalid("image can not be null")
    fields.one_of(body, "audio_id", "sound_file")
    mode = fields.choice(body, "mode", _UNITS, "std")
    prompt = prompts(body)
    given = sound(body, "sound_file", _SHORTEST, _LONGEST)
    check_content(prompt)
    every = every_task(body)
    width, height = frame_size(SHORT_SIDE[mode], (image.width, image.height))
    spec = RenderSpec(
        width=width, height=height, fps=24, seconds=1, image="image", title=f"avatar {mode}", prompt=prompt, sound=True
    )
    request = AcceptedRequest(
        **every,
        mode=mode,
        units=Decimal(0),
        prompt=prompt,
        parameters=_without_data(body, "" if given is None else given.summary),
        result=VideoResult(spec=spec, watermark=every["watermark"]),
        damage=damage(_pictures(body), image) or ("" if given is None else given.damage),
    )
    return _as_long_as(request, GUESSED_SECONDS if given is None else given.seconds)


def _complete(request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Sets the clip's length to that of an earlier sound."""
    if not (audio_id := request.parameters.get("audio_id")):
        return request
    seconds = audio_seconds(earlier, audio_id)
    if seconds < _SHORTEST:
        raise invalid(LENGTH_MESSAGE)
    return _as_long_as(request, seconds)


def _as_long_as(request: AcceptedRequest, seconds: float) -> AcceptedRequest:
    return lasting(request, max(int(seconds), 1), _UNITS[request.mode] * max(int(seconds), 1))


def _without_data(body: Body, described: str) -> Body:
    """Copies a checked request without the data of picture and sound, which would fill the memory."""
    return body | {"image": brief(body["image"])} | ({"sound_file": described} if described else {})


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "image", body["image"]


def _price_of_least(body: Mapping[str, Any]) -> Decimal:
    """Returns the price of the shortest sound, as the length is not known before the check."""
    mode = body.get("mode") or "std"
    return _UNITS[mode] * _SHORTEST if mode in ("std", "pro") else Decimal(0)


ENDPOINT: Final = Endpoint(
    path="/v1/videos/avatar/image2video",
    members=_MEMBERS,
    accept=_accept,
    complete=_complete,
    estimate=_price_of_least,
    generation_seconds=lambda body: _TYPICAL_SECONDS if (body.get("mode") or "std") in ("std", "pro") else None,
    pictures=_pictures,
    finds_by_external_id=True,
)
