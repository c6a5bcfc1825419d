"""Creates of the current generation: makes an endpoint from a row of the table."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

import attrs

from kling_async.emulator.results.rendering.spec import RenderSpec
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.earlier import clip_of, lasting
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import SubmittedImage, brief, damage, read_image
from kling_async.emulator.service.checks.text import check_content
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, CurrentEndpoint, Earlier
from kling_async.emulator.service.errors import Refusal, invalid

from . import contents, settings
from .contents import IMAGES, VIDEOS, Item
from .documented import check, check_items, check_prompt
from .rows import CLIP_SECONDS, FPS, RATIOS, Row
from .settings import Settings

MAX_IMAGE_BYTES: Final = 50 * 2**20
LENGTH_MESSAGE: Final = (
    "The duration of the input video is invalid. Please ensure it meets the required specifications."
)
"""Message of a task whose video is too short or too long; the emulator's own."""

PROMPT_CAP: Final = 3072
"""The longest prompt of all documented paths, in characters."""


@attrs.frozen(kw_only=True)
class Request:
    """A parsed request.

    Attributes:
        row: The row of its path.
        prompt: The prompt.
        items: Its contents that this path uses.
        ignored: Types of its other contents.
        settings: Its settings.
    """

    row: Row
    prompt: str
    items: list[Item]
    ignored: frozenset[str]
    settings: Settings

    def count(self, *kinds: str) -> int:
        """Returns the number of contents of some types."""
        return len(contents.of(self.items, *kinds))

    def has(self, *kinds: str) -> bool:
        """Whether there are contents of one of these types."""
        return bool(self.count(*kinds))

    @property
    def follows_video(self) -> bool:
        """Whether the clip is as long as an input video, ignoring the requested length."""
        return not self.row.durations or self.has("base_video")

    @property
    def seconds(self) -> int:
        """Seconds of the clip, as far as the request determines them."""
        return CLIP_SECONDS if self.follows_video else self.settings.seconds

    @property
    def has_sound(self) -> bool:
        """Whether the clip has generated sound."""
        made = self.settings.audio == "native" and self.settings.resolution in self.row.native
        return self.row.always_has_sound or made

    @property
    def sound(self) -> str:
        """The clip's sound on the bill."""
        if self.has_sound:
            return "native"
        return "original" if self.settings.audio == "original" and self.has(*VIDEOS) else "off"

    @property
    def rate(self) -> Decimal:
        """Units per second."""
        return self.row.rate(
            self.settings.resolution, native=self.has_sound, voice=self.has("voice"), video=self.has(*VIDEOS)
        )


Check = Callable[[Request], None]


def _passes(_request: Request) -> None:
    return None


def endpoint(
    path: str,
    row: Row,
    *,
    seen: Check = _passes,
    documented: Check = _passes,
    alias: str = "",
    is_documented: bool = True,
) -> CurrentEndpoint:
    """Creates the endpoint of a row.

    Args:
        path: The path without the model.
        row: The row.
        seen: Refuses requests that the service was observed to refuse on this path, but not on all paths.
        documented: Refuses requests that the documentation forbids on this path, but not on all paths.
        alias: Another spelling of the model.
        is_documented: As in `CurrentEndpoint`.
    """
    return CurrentEndpoint(
        path=f"{path}/{row.model}",
        alias=alias and f"{path}/{alias}",
        model=row.model,
        members=_members(row),
        accept=partial(_accept, row, seen),
        complete=partial(_complete, row),
        estimate=partial(_estimate, row),
        generation_seconds=partial(_generation_seconds, row),
        pictures=partial(_pictures, row),
        check=partial(_check, row, documented),
        is_documented=is_documented,
    )


def _members(row: Row) -> dict[str, Any]:
    """Returns the members of the path; all others are ignored."""
    known: dict[str, Any] = {"resolution": str, "seed": int}
    known |= {"duration": int} if row.durations else {"character_orientation": str}
    known |= {"aspect_ratio": str} if row.ratios else {}
    known |= {"audio": str} if row.audio else {}
    known |= {"multi_shot": bool} if row.has_shots else {}
    inputs: dict[str, Any] = {"contents": [contents.ITEM]} if row.takes else {"prompt": str}
    return {**inputs, "settings": known, "options": members.EVERY_TASK}


def read(row: Row, body: Body) -> Request:
    """Parses a request as the service was observed to, ignoring contents that this path does not use.

    Raises:
        Refusal: 1201.
    """
    given = contents.read(body) if row.takes else []
    items = [each for each in given if each.type in row.takes]
    prompt = " ".join(each.value for each in items if each.type == "prompt")
    if not row.takes:
        prompt = fields.text(body, "prompt")
        if not prompt.strip():
            raise invalid("prompt is required")
    for kind in row.needs:
        if not contents.of(items, kind):
            raise invalid(f"content item of type '{kind}' is required")
    cap = max(row.prompt_limit, PROMPT_CAP)
    if len(prompt) > cap:
        raise invalid(f"prompt: size must be between 0 and {cap}")
    ignored = frozenset(each.type for each in given) - row.takes
    return Request(row=row, prompt=prompt, items=items, ignored=ignored, settings=settings.read(body, row))


def _check(row: Row, documented: Check, body: Body) -> None:
    request = read(row, body)
    check(row, body)
    check_items(row, request.items)
    may_cut = request.settings.multi_shot or not row.has_shots
    check_prompt(row, request.prompt, seconds=request.seconds, may_cut=may_cut)
    documented(request)


def _accept(row: Row, seen: Check, body: Body) -> AcceptedRequest:
    request = read(row, body)
    seen(request)
    pictures = {each.place: read_image(each.value, each.place, MAX_IMAGE_BYTES) for each in _images(request.items)}
    every = every_task(fields.member(body, "options", dict) or {})
    check_content(request.prompt)
    return AcceptedRequest(
        **every,
        model_name=row.model,
        mode=request.settings.resolution,
        duration=request.seconds,
        units=request.rate * request.seconds,
        prompt=request.prompt,
        parameters=_without_data(body),
        result=VideoResult(spec=_clip(request, pictures), watermark=every["watermark"]),
        sound=request.sound,
        damage=damage(_addresses(request.items), *pictures.values()),
    )


def _complete(row: Row, request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Sets a clip's length, and its pictures, to those of the video that it follows, if the account has made that."""
    kind = "base_video" if row.durations else "video"
    followed = next((each for each in request.parameters.get("contents", ()) if each["type"] == kind), None)
    if followed is None or kind not in row.takes:
        return request
    found = earlier("videos", followed["url"])
    own, other = request.result, clip_of(found)
    if found is None or other is None or not isinstance(own, VideoResult):
        return request
    seconds = other.spec.seconds
    if row.durations and not row.durations[0] <= seconds <= row.durations[-1]:
        return attrs.evolve(request, damage=LENGTH_MESSAGE)
    spec = own.spec
    if spec.card:
        spec = attrs.evolve(other.spec, fps=spec.fps, title=spec.title, prompt=spec.prompt, sound=spec.sound)
        width, height = row.size(request.mode, other.size)
        spec = attrs.evolve(spec, width=width, height=height)
        request = attrs.evolve(request, images=found.request.images)
    request = attrs.evolve(request, result=attrs.evolve(own, spec=spec))
    return lasting(request, seconds, request.units / request.duration * seconds)


def _clip(request: Request, pictures: Mapping[str, SubmittedImage]) -> RenderSpec:
    """Returns the spec of the clip: it shows its frames, or its first and last reference, or the prompt."""
    row, chosen = request.row, request.settings
    places = {each.type: each.place for each in reversed(request.items) if each.type in IMAGES}
    frames = [places[kind] for kind in ("first_frame", "image", "last_frame") if kind in places]
    shown = frames or [each.place for each in contents.of(request.items, "refer_image")]
    ratio = RATIOS["16:9"]
    if frames:
        ratio = pictures[frames[0]].width, pictures[frames[0]].height
    elif chosen.ratio:
        ratio = row.ratios[chosen.ratio]
    width, height = row.size(chosen.resolution, ratio)
    return RenderSpec(
        width=width,
        height=height,
        fps=FPS,
        seconds=request.seconds,
        image=shown[0] if shown else "",
        tail=shown[-1] if len(shown) > 1 else "",
        backwards=frames == [places.get("last_frame")],
        card="" if shown else request.prompt,
        title=f"{row.model} {chosen.resolution}",
        prompt=request.prompt,
        sound=request.sound != "off",
    )


def _images(items: list[Item]) -> list[Item]:
    return [each for each in items if each.type in IMAGES]


def _addresses(items: list[Item]) -> list[tuple[str, str]]:
    return [(each.place, each.value) for each in items if each.type in IMAGES | VIDEOS]


def _pictures(row: Row, body: Body) -> Iterator[tuple[str, str]]:
    if row.takes:
        for each in contents.read(body):
            if each.type in row.takes & IMAGES:
                yield each.place, each.value


def _without_data(body: Body) -> Body:
    """Copies a checked request without the data of its pictures, ignored ones included."""
    if "contents" not in body:
        return body
    return body | {"contents": [_without_data_of(item) for item in body["contents"]]}


def _without_data_of(item: Body) -> Body:
    url = item.get("url")
    return item | {"url": brief(url)} if isinstance(url, str) and url else item


def _unchecked(row: Row, body: Mapping[str, Any]) -> Request | None:
    """Parses the parts of an unchecked request that determine price and time; None if they are invalid."""
    items = [Item(place="", type=kind, value="") for kind in contents.unchecked_types(body) if kind in row.takes]
    try:
        return Request(row=row, prompt="", items=items, ignored=frozenset(), settings=settings.read(body, row))
    except Refusal:
        return None


def _estimate(row: Row, body: Mapping[str, Any]) -> Decimal:
    request = _unchecked(row, body)
    return Decimal(0) if request is None else request.rate * request.seconds


def _generation_seconds(row: Row, body: Mapping[str, Any]) -> float | None:
    request = _unchecked(row, body)
    if request is None:
        return None
    return row.generation_seconds(request.settings.resolution, request.seconds)
