"""What an emulated endpoint is made of, and what is left of a request that it accepts."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import attrs

from kling_async.emulator.results.result import Result

Pack = Literal["video", "image", "try-on"]
"""What a task is paid from. Packs have slots of their own, too."""

PACKS: Final[tuple[Pack, ...]] = get_args(Pack)

Body = dict[str, Any]
"""A request as JSON, with its documented members only."""


@attrs.frozen(kw_only=True)
class ParentVideo:
    """The video that a task works on, as the `task_info` of its answers has it.

    Attributes:
        duration: Its length in seconds, as text.
        video_id: Its id, if the account has made it: then the link to it is signed anew each time.
        url: Where it is, if not.
    """

    duration: str
    video_id: str = ""
    url: str = ""


@attrs.frozen(kw_only=True)
class AcceptedRequest:
    """A request that may become a task, reduced to what the emulator goes by.

    Attributes:
        model_name: The model, "" where the endpoint has none.
        mode: The mode, "" likewise.
        duration: Asked seconds, 0 likewise.
        units: Price.
        prompt: All that is asked for in words.
        watermark: Whether results with a watermark are asked for, too.
        external_task_id: The caller's own id, "" when there is none.
        callback_url: Where status changes are posted, "" when nowhere.
        parameters: What is documented of the request, with a short description in place of each image's data.
        result: What it gives.
        slots: How many of its line's slots the task takes.
        images: Where the images are kept, by member ("dynamic_masks.0" is the first mask); empty if they are not.
        damage: Why the task will fail, as far as the request shows it, or "".
        parent: The video that it works on, if answers have one.
        sound: What the bill says of a clip's sound: "native", "original", "off"; "" where nothing is known of it.
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
    """One of the things that the account has made: a video, an audio, a voice, an element.

    Attributes:
        facts: What answers say of it; its links are empty.
        age: Seconds since it was made.
        request: What it was made for.
    """

    facts: Mapping[str, Any]
    age: float
    request: AcceptedRequest


Earlier = Callable[[str, str], EarlierResult | None]
"""Gives what the account has made, or what every account has, None if there is no such thing: by its list in answers
("videos"), and its id or a link to its file that is still good."""


def _no_pictures(_body: Body) -> Iterable[tuple[str, str]]:
    return ()


def _as_it_is(request: AcceptedRequest, _earlier: Earlier) -> AcceptedRequest:
    return request


@attrs.frozen(kw_only=True)
class Origin:
    """A path where something is made.

    Attributes:
        path: Where it is.
        members: Documented members of a request's body and their JSON types, as `checks.members` has them.
        pack: What is paid from, and which slots are taken.
    """

    path: str
    members: Mapping[str, Any] = attrs.field(factory=dict)
    pack: Pack = "video"

    @property
    def name(self) -> str:
        """The path without what most of them begin with."""
        return self.path.removeprefix("/").removeprefix("v1/").removeprefix("videos/")

    def line(self, request: AcceptedRequest) -> str:
        """Give what a request's slots are counted for: its model, apart from that of another kind of pack."""
        name = request.model_name or self.name
        return name if self.pack == "video" else f"{name} ({self.pack})"


@attrs.frozen(kw_only=True)
class TaskEndpoint(Origin):
    """A path where tasks are created.

    Attributes:
        accept: Checks a request that has these members only; raises `Refusal`.
        estimate: Gives the price of a request that was not checked yet, 0 where it makes no sense.
        generation_seconds: Gives the mean time from submitted to succeed of a request that need not have been checked,
            None where it makes no sense.
        pictures: Gives the pictures of a checked request, each with the name under which `AcceptedRequest.images` has
            it: URLs or base64.
        complete: Checks the ids of earlier results in an accepted request, and completes it by what they stand for;
            raises `Refusal`.
    """

    accept: Callable[[Body], AcceptedRequest]
    estimate: Callable[[Mapping[str, Any]], Decimal]
    generation_seconds: Callable[[Mapping[str, Any]], float | None]
    pictures: Callable[[Body], Iterable[tuple[str, str]]] = _no_pictures
    complete: Callable[[AcceptedRequest, Earlier], AcceptedRequest] = _as_it_is


@attrs.frozen(kw_only=True)
class Endpoint(TaskEndpoint):
    """A path of the legacy generation, where tasks are asked for and listed, too.

    Attributes:
        finds_by_external_id: Whether a query takes the caller's own id, too.
        page_maximum: Tasks on a page of the list, at most.
    """

    finds_by_external_id: bool = False
    page_maximum: int = 500


def _nothing_more(_body: Body) -> None:
    return None


@attrs.frozen(kw_only=True)
class CurrentEndpoint(TaskEndpoint):
    """A path of the current generation: its last segment is the model; its tasks are asked for elsewhere.

    Attributes:
        model: The last segment.
        alias: Another spelling of the path that the service takes, or "".
        check: Refuses what the documentation forbids although the service was seen to take it: for those who want the
            emulator strict. It gets a request that has these members only.
        is_documented: Whether a page of the service documents it; if not, `Account.opened` has to name the model.
    """

    model: str
    alias: str = ""
    check: Callable[[Body], None] = _nothing_more
    is_documented: bool = True


@attrs.frozen
class NotEmulated:
    """Documented paths that the emulator does not serve, and says so.

    Attributes:
        path: The first of them; all below it are meant, too.
    """

    path: str
