"""Tasks: their statuses, and what the service tells about them and their results."""

import enum
from datetime import datetime
from decimal import Decimal

import attrs

from kling_async.protocol.converters import whole_number
from kling_async.protocol.media.image import without_query
from kling_async.protocol.reference import Reference


class TaskStatus(enum.StrEnum):
    """Where a task is in its life, in the words of the documentation's legacy protocol."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    SUCCEED = "succeed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the service has nothing more to tell about the task."""
        return self in _FINAL


_FINAL = frozenset({TaskStatus.SUCCEED, TaskStatus.FAILED})


@attrs.frozen(kw_only=True)
class Element:
    """A subject from the account's element library (kling-v3), named `<<<element_1>>>` in the prompt.

    Attributes:
        element_id: its number; may exceed 2**53.
    """

    element_id: int = attrs.field(converter=whole_number)


@attrs.frozen(kw_only=True)
class Voice:
    """A voice of the account or a preset one, named `<<<voice_1>>>` in the prompt.

    Attributes:
        voice_id: its id, from the custom or preset voices (not lip-sync or TTS).
    """

    voice_id: str


@attrs.frozen(kw_only=True)
class Video:
    """One finished video.

    Attributes:
        id: the service's id of the video.
        url: where it can be fetched, signed, for 30 days. The repr leaves the signature out.
        watermark_url: the watermarked variant, where one was asked for.
        duration: seconds, close to what was asked for (`5.041`).
    """

    id: str
    url: str = attrs.field(repr=lambda url: repr(without_query(url)))
    watermark_url: str | None = attrs.field(default=None, repr=lambda url: repr(url and without_query(url)))
    duration: Decimal | None = None


@attrs.frozen(kw_only=True)
class BalanceDeduction:
    """What a task took from a balance account.

    Attributes:
        quota: amount deducted.
        list_price: amount before discount.
    """

    quota: Decimal | None = None
    list_price: Decimal | None = None


@attrs.frozen(kw_only=True)
class Task:
    """What the service last said about a task.

    Attributes:
        task_id: the service's id.
        status: where the task is.
        endpoint: name of the endpoint that made it, `image2video`.
        status_msg: why it failed; empty otherwise.
        external_task_id: the caller's own id.
        created_at: when the service accepted it (UTC).
        updated_at: when its status last changed (UTC).
        videos: the results, once `status` is `succeed`.
        watermark: whether a watermarked variant was asked for.
        final_unit_deduction: units paid.
        final_balance_deduction: money paid, for accounts with a balance.
    """

    task_id: str
    status: TaskStatus
    endpoint: str = "image2video"
    status_msg: str = ""
    external_task_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    videos: tuple[Video, ...] = ()
    watermark: bool = False
    final_unit_deduction: Decimal | None = None
    final_balance_deduction: BalanceDeduction | None = None

    @property
    def reference(self) -> str:
        """The text that `KlingClient.attach` takes, in any process: `image2video:<task_id>`."""
        return str(Reference(endpoint=self.endpoint, id=self.task_id))
