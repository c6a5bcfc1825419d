"""Video effects: one or two pictures in a named scene."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.result import Link
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import damage, read_all, without_data
from kling_async.emulator.service.checks.text import check_content
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.video_models import SHORT_SIDE, frame_size

_MEMBERS: Final[dict[str, Any]] = {
    "effect_scene": str,
    "input": {"model_name": str, "mode": str, "image": str, "images": [str], "duration": str},
    **members.EVERY_TASK,
}

_UNITS: Final = {"5": Decimal(2), "10": Decimal(4)}
"""Price by seconds. The official list is not on record: this is the observed price of most scenes."""

_MODES: Final = ("std", "pro")
_TYPICAL_SECONDS: Final = 320.0
"""The mean measured by public clients."""


@attrs.frozen(kw_only=True)
class EffectResult(VideoResult):
    """A video whose answer does not contain its duration."""

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the video as in answers."""
        result = super().task_result(result_id, link)
        for video in result["videos"]:
            del video["duration"]
        return result


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request; scenes change every week, so any name passes."""
    scene = fields.required(body, "effect_scene", str, "effects")
    given = fields.required(body, "input", dict, "effects")
    _check_number(given)
    pictures = tuple(_pictures(body))
    seen = read_all(pictures)
    model_name = fields.text(given, "model_name")
    mode = fields.choice(given, "mode", _MODES, "")
    duration = fields.choice(given, "duration", _UNITS, "5")
    check_content(scene)
    every = every_task(body)
    first, *others = seen
    width, height = frame_size(SHORT_SIDE[mode or "std"], (seen[first].width, seen[first].height))
    spec = RenderSpec(
        width=width,
        height=height,
        fps=30,
        seconds=int(duration),
        image=first,
        tail=others[0] if others else "",
        title=f"effect {scene}",
        prompt=scene.replace("_", " "),
    )
    return AcceptedRequest(
        **every,
        model_name=model_name,
        mode=mode,
        duration=int(duration),
        units=_UNITS[duration],
        prompt=scene,
        parameters=without_data(body, pictures, seen),
        result=EffectResult(spec=spec, watermark=every["watermark"]),
        damage=damage(pictures, *seen.values()),
    )


def _check_number(given: Mapping[str, Any]) -> None:
    """Checks that there is one picture, or a pair."""
    pair: list[Any] = fields.member(given, "images", list) or []
    if bool(fields.text(given, "image")) == bool(pair):
        raise invalid("exactly one of image and images must be given")
    if pair and (len(pair) != 2 or not all(isinstance(each, str) and each for each in pair)):
        raise invalid("images must have exactly 2 items")


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = body["input"]
    if given.get("image"):
        yield "input.image", given["image"]
    for number, each in enumerate(given.get("images") or ()):
        yield f"input.images.{number}", each


def _price(body: Mapping[str, Any]) -> Decimal:
    given = body.get("input")
    duration = given.get("duration") or "5" if isinstance(given, dict) else "5"
    return _UNITS.get(duration, Decimal(0)) if isinstance(duration, str) else Decimal(0)


ENDPOINT: Final = Endpoint(
    path="/v1/videos/effects",
    members=_MEMBERS,
    accept=_accept,
    estimate=_price,
    generation_seconds=lambda _body: _TYPICAL_SECONDS,
    pictures=_pictures,
    finds_by_external_id=True,
)
