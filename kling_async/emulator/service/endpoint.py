"""The parts of an emulated endpoint, and the accepted requests that it returns."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import attrs

from kling_async.emulator.results.result import Result

Pack = Literal["video", "image", "try-on"]
"""The kind of resource pack that pays for a task. Each kind has its own slots."""

PACKS: Final[tuple[Pack, ...]] = get_args(Pack)

Body = dict[str, Any]
"""A request as JSON, with its documented members only."""


@attrs.frozen(kw_only=True)
class ParentVideo:
    """A task's input video, as in the `task_info` of its answers.

    Attributes:
        duration: Its length in seconds, as text.
        video_id: Its id, if the account has made it; then each answer contains a newly signed link.
        url: Its URL, if the account has not made it.
    """

    duration: str
    video_id: str = ""
    url: str = ""


@attrs.frozen(kw_only=True)
class AcceptedRequest:
    """A checked request that may become a task, reduced to what the emulator uses.

    Attributes:
        model_name: The model, "" where the endpoint has none.
        mode: The mode, "" where the endpoint has none.
        duration: Requested seconds, 0 where the endpoint has none.
        units: Price.
        prompt: All text of the request that describes the result.
        watermark: Whether results with a watermark are also requested.
        external_task_id: The caller's own id, or "".
        callback_url: The URL to which status changes are posted, or "".
        parameters: The documented members of the request, with a short description in place of each image's data.
        result: The result of the task.
        slots: Slots of its line that the task takes.
        images: Names of the stored images, by member ("dynamic_masks.0" is the first mask); empty if not stored.
        damage: Why the task will fail, as far as the request determines it, or "".
        parent: The input video, if answers contain one.
        sound: The clip's sound on the bill: "native", "original", "off"; "" where it is not known.
    """

    model_name: str = ""
    mode: str = ""
    duration: int = 0
    units: Decimal
    prompt: str
    watermark: bool
    external_task_id: str
    callback_url: str
    parameters: Body
    result: Result
    slots: int = 1
    images: Mapping[str, str] = attrs.field(factory=dict)
    damage: str = ""
    parent: ParentVideo | None = None
    sound: str = ""


@attrs.frozen(kw_only=True)
class EarlierResult:
    """An earlier result of the account: a video, an audio, a voice, an element.

    Attributes:
        facts: Its members in answers.
        age: Seconds since it was made.
        request: The request that it was made for.
    """

    facts: Mapping[str, Any]
    age: float
    request: AcceptedRequest


Earlier = Callable[[str, str], EarlierResult | None]
"""Returns an earlier result or a preset, None if there is none: by the name of its list in answers ("videos"), and its
id or a valid link to its file."""


def _no_pictures(_body: Body) -> Iterable[tuple[str, str]]:
    return ()


def _as_it_is(request: AcceptedRequest, _earlier: Earlier) -> AcceptedRequest:
    return request


@attrs.frozen(kw_only=True)
class Origin:
    """A path that makes results.

    Attributes:
        path: The path.
        members: Documented members of a request's body and their JSON types, as in `checks.members`.
        pack: The kind of pack that pays, and whose slots are taken.
    """

    path: str
    members: Mapping[str, Any] = attrs.field(factory=dict)
    pack: Pack = "video"

    @property
    def name(self) -> str:
        """The path without the common prefixes."""
        return self.path.removeprefix("/").removeprefix("v1/").removeprefix("videos/")

    def line(self, request: AcceptedRequest) -> str:
        """Returns the line whose slots a request takes: its model, with the pack if that is not the video pack."""
        name = request.model_name or self.name
        return name if self.pack == "video" else f"{name} ({self.pack})"


@attrs.frozen(kw_only=True)
class TaskEndpoint(Origin):
    """A path that creates tasks.

    Attributes:
        accept: Checks a request, which has the documented members only; raises `Refusal`.
        estimate: Returns the price of an unchecked request, 0 if it is invalid.
        generation_seconds: Returns the mean time from submitted to succeed of an unchecked request, None if it is
            invalid.
        pictures: Yields the pictures of a checked request, each with its key in `AcceptedRequest.images`: URLs or
            base64.
        complete: Checks the ids of earlier results in an accepted request, and completes it with the results' data;
            raises `Refusal`.
    """

    accept: Callable[[Body], AcceptedRequest]
    estimate: Callable[[Mapping[str, Any]], Decimal]
    generation_seconds: Callable[[Mapping[str, Any]], float | None]
    pictures: Callable[[Body], Iterable[tuple[str, str]]] = _no_pictures
    complete: Callable[[AcceptedRequest, Earlier], AcceptedRequest] = _as_it_is


@attrs.frozen(kw_only=True)
class Endpoint(TaskEndpoint):
    """A path of the legacy generation, which also queries and lists its tasks.

    Attributes:
        finds_by_external_id: Whether a query also accepts the caller's own id.
        page_maximum: Tasks per page of the list, at most.
    """

    finds_by_external_id: bool = False
    page_maximum: int = 500


def _nothing_more(_body: Body) -> None:
    return None


@attrs.frozen(kw_only=True)
class CurrentEndpoint(TaskEndpoint):
    """A path of the current generation: its last segment is the model; its tasks are queried elsewhere.

    Attributes:
        model: The last segment.
        alias: Another spelling of the path that the service accepts, or "".
        check: Refuses, in a strict emulator, requests that the documentation forbids although the service was
            observed to accept them. The request has the documented members only.
        is_documented: Whether a page of the service documents it; if not, `Account.opened` has to name the model.
    """

    model: str
    alias: str = ""
    check: Callable[[Body], None] = _nothing_more
    is_documented: bool = True


@attrs.frozen
class NotEmulated:
    """Documented paths that the emulator refuses because it does not emulate them.

    Attributes:
        path: The path; all paths below it are included.
    """

    path: str
