"""What an emulated endpoint is made of, and what is left of a request that it accepts."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal

import attrs

from kling_async.emulator.results.result import Result

Pack = Literal["video", "image", "try-on"]
"""What a task is paid from. Packs have slots of their own, too."""

Body = dict[str, Any]
"""A request as JSON, with its documented members only."""


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


def _no_pictures(_body: Body) -> Iterable[tuple[str, str]]:
    return ()


@attrs.frozen(kw_only=True)
class Endpoint:
    """An endpoint where tasks are created, asked for and listed.

    Attributes:
        path: Where they are.
        members: Documented members of a create and their JSON types, as `checks.members` has them.
        accept: Checks a request that has these members only; raises `Refusal`.
        estimate: Gives the price of a request that was not checked yet, 0 where it makes no sense.
        generation_seconds: Gives the mean time from submitted to succeed of a request that need not have been checked,
            None where it makes no sense.
        pictures: Gives the pictures of a checked request, each with the name under which `AcceptedRequest.images` has
            it: URLs or base64.
        pack: What a task is paid from, and which slots it takes.
        finds_by_external_id: Whether a query takes the caller's own id, too.
        page_maximum: Tasks on a page of the list, at most.
    """

    path: str
    members: Mapping[str, Any]
    accept: Callable[[Body], AcceptedRequest]
    estimate: Callable[[Mapping[str, Any]], Decimal]
    generation_seconds: Callable[[Mapping[str, Any]], float | None]
    pictures: Callable[[Body], Iterable[tuple[str, str]]] = _no_pictures
    pack: Pack = "video"
    finds_by_external_id: bool = False
    page_maximum: int = 500

    @property
    def name(self) -> str:
        """The path without what most of them begin with."""
        return self.path.removeprefix("/v1/").removeprefix("videos/")

    def line(self, request: AcceptedRequest) -> str:
        """Give what a request's slots are counted for: its model, apart from that of another kind of pack."""
        name = request.model_name or self.name
        return name if self.pack == "video" else f"{name} ({self.pack})"
