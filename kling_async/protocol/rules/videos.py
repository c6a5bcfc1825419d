"""Rules for the videos of a request: addresses that the service fetches, never the clip itself."""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final, Protocol

from kling_async.protocol.errors import Problem
from kling_async.protocol.results import Video
from kling_async.protocol.rules.values import exactly_one, is_address, shown, text

HOST_IT: Final = "host the clip at an http:// or https:// address, from which the service fetches it"
"""Advice for anything that is not an address: the service accepts no video within a request."""


class HasVideoUrl(Protocol):
    """A request that may have the address of a video."""

    @property
    def video_url(self) -> str | None:
        """The address from which the service fetches it."""
        ...


class TakesVideo(HasVideoUrl, Protocol):
    """A request with exactly one video."""

    @property
    def video_id(self) -> str | None:
        """Id of an earlier video."""
        ...

    @property
    def video(self) -> Video | None:
        """An earlier video."""
        ...


def video_url(request: HasVideoUrl) -> Iterator[Problem]:
    """Checks the address, if one is given; whether it is required is up to the endpoint."""
    yield from video_address("video_url", request.video_url)


def one_video(request: TakesVideo) -> Iterator[Problem]:
    """Requires exactly one of an earlier video, its id, or an address."""
    yield from exactly_one(request, "video", "video_id", "video_url")
    if request.video_id is not None:
        yield from text("video_id", request.video_id)


def original_sound(field: str, value: Any) -> Iterator[Problem]:
    """Requires True or False: the value is always sent, since sources disagree on the service's default."""
    if not isinstance(value, bool):
        yield Problem(field, f"expected True or False, got {shown(value)}")


def video_address(field: str, value: Any) -> Iterator[Problem]:
    """Requires an http(s) address with a host; None and "" count as omitted.

    Messages never repeat it: the query of an address may contain a signature.
    """
    if value is None or value == "":
        return
    if not isinstance(value, str):
        yield Problem(field, f"expected an address, got {_kind(value)}; {HOST_IT}")
        return
    problems = list(text(field, value))
    yield from problems
    if problems or is_address(value):
        return
    scheme = _SCHEME.match(value)
    name = scheme[1].lower() if scheme else ""
    if name in {"http", "https"}:
        yield Problem(field, "expected an address with a host and without spaces: this one cannot be fetched")
    elif name == "data":
        yield Problem(field, f"a 'data:' address is not accepted by the service; {HOST_IT}")
    elif scheme and scheme[2]:
        yield Problem(field, f"the service fetches http:// and https:// only, not {name}://; {HOST_IT}")
    else:
        yield Problem(field, f"this text is no address; {HOST_IT}")


_SCHEME: Final = re.compile(r"\s*([a-z][a-z0-9+.-]{0,15}):(//)?", re.IGNORECASE)


def _kind(value: object) -> str:
    """Describes a value that is not text; of a path or of bytes, only the kind."""
    return "a path" if isinstance(value, PurePath) else shown(value)
