"""The checks of earlier results that a request refers to by id."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from kling_async.emulator.results.links import RETENTION
from kling_async.emulator.results.several import SeveralResults
from kling_async.emulator.results.videos import VideoResult
from kling_async.emulator.service.endpoint import AcceptedRequest, Earlier, EarlierResult, ParentVideo
from kling_async.emulator.service.errors import invalid

from . import fields
from .videos import CLIP_SECONDS, video


def made(earlier: Earlier, kind: str, key: str) -> EarlierResult:
    """Returns an earlier result.

    Args:
        earlier: Finds earlier results.
        kind: The name of its list in answers, such as "voices".
        key: Its id.

    Raises:
        Refusal: 1201, when there is none, or it is too old.
    """
    found = earlier(kind, key)
    if found is None or (kind in {"videos", "audios"} and found.age > RETENTION):
        raise invalid(f"{kind.removesuffix('s').capitalize()} id not found: {key}")
    return found


def one_video(body: Mapping[str, Any]) -> None:
    """Checks that a video is given, either by id or by URL."""
    fields.one_of(body, "video_id", "video_url")
    video(body, "video_url")


def parent_of(body: Mapping[str, Any], earlier: Earlier, low: int, high: int) -> ParentVideo:
    """Returns the input video of a checked request: one of the account, if its id or its link is given.

    Args:
        body: The request.
        earlier: Finds earlier results.
        low: Minimum length of the video in whole seconds.
        high: Maximum length of the video in whole seconds.

    Raises:
        Refusal: 1201, when the account has no such video, or it is too short or too long.
    """
    video_id, url = body.get("video_id"), body.get("video_url") or ""
    found = made(earlier, "videos", video_id) if video_id else earlier("videos", url)
    if found is None:
        return ParentVideo(duration=str(CLIP_SECONDS), url=url)
    duration = found.facts.get("duration", str(CLIP_SECONDS))
    if not low <= int(float(duration)) <= high:  # a clip of 20 s is some frames longer
        raise invalid(f"the duration of the video must be between {low} and {high} seconds")
    return ParentVideo(duration=duration, video_id=found.facts["id"])


def clip_of(found: EarlierResult | None) -> VideoResult | None:
    """Returns the video of an earlier result, which may be the first of several; None if it has none."""
    if found is None:
        return None
    result = found.request.result
    main = result.parts[0] if isinstance(result, SeveralResults) else result
    return main if isinstance(main, VideoResult) else None


def audio_seconds(earlier: Earlier, audio_id: str) -> float:
    """Returns the length of an earlier sound in seconds."""
    facts = made(earlier, "audios", audio_id).facts
    return float(facts.get("duration") or facts["duration_mp3"])


def lasting(request: AcceptedRequest, seconds: int, units: Decimal) -> AcceptedRequest:
    """Returns a request for a video with its length and price, once these are known.

    Args:
        request: A request for a video.
        seconds: Its length.
        units: Its price.
    """
    result = request.result
    if isinstance(result, VideoResult):
        result = attrs.evolve(result, spec=attrs.evolve(result.spec, seconds=seconds))
    return attrs.evolve(request, duration=seconds, units=units, result=result)


def showing(request: AcceptedRequest, video: ParentVideo, earlier: Earlier) -> AcceptedRequest:
    """Returns a request for a video that shows the same as its input video, if the account has that.

    Args:
        request: A request for a video with sound.
        video: Its input video.
        earlier: Finds earlier results.
    """
    found = earlier("videos", video.video_id) if video.video_id else None
    own, other = request.result, clip_of(found)
    if found is None or other is None or not isinstance(own, VideoResult):
        return attrs.evolve(request, parent=video)
    spec = attrs.evolve(other.spec, title=own.spec.title, seconds=own.spec.seconds, sound=True)
    result = attrs.evolve(own, spec=spec, surplus_frames=other.surplus_frames)
    return attrs.evolve(request, parent=video, result=result, images=found.request.images)
