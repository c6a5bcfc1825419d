"""Tasks: their statuses, and what the service tells about them and their results."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any

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


def _shown(url: str | None) -> str:
    """For a repr: without the signature."""
    return repr(url and without_query(url))


@attrs.frozen(kw_only=True)
class Voice:
    """A voice of the account or a preset one: named `<<<voice_1>>>` in a prompt, and the result of making one.

    To use it, the id is enough, and all that is sent.

    Attributes:
        voice_id: its id, from the custom or preset voices (not lip-sync or TTS).
        voice_name: what it was called.
        trial_url: a sample to listen to, signed. The repr leaves the signature out.
        owned_by: `kling` for a preset one, else the id of its owner.
        status: `succeed`, or `deleted`; where the service gives one.
    """

    voice_id: str
    voice_name: str = ""
    trial_url: str | None = attrs.field(default=None, repr=_shown)
    owned_by: str = ""
    status: str = ""


@attrs.frozen(kw_only=True)
class Element:
    """A subject of the element library: named `<<<element_1>>>` in a prompt, and the result of making one.

    To use it, the id is enough, and all that is sent. The pictures that it was made from are in `Task.raw`.

    Attributes:
        element_id: its number; may exceed 2**53.
        element_name: what it was called.
        element_description: what it was described as.
        reference_type: `image_refer` or `video_refer`; in the new generation the kind of element.
        element_voice_info: the voice that is bound to it.
        owned_by: `kling` for a preset one, else the id of its owner.
        status: `succeed` or `deleted`.
    """

    element_id: int = attrs.field(converter=whole_number)
    element_name: str = ""
    element_description: str = ""
    reference_type: str = ""
    element_voice_info: Voice | None = None
    owned_by: str = ""
    status: str = ""


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
    url: str = attrs.field(repr=_shown)
    watermark_url: str | None = attrs.field(default=None, repr=_shown)
    duration: Decimal | None = None


@attrs.frozen(kw_only=True)
class Picture:
    """One finished picture.

    Attributes:
        index: its number as the service counts, from 0; several views of one subject share it.
        url: where it can be fetched, signed, for 30 days. The repr leaves the signature out.
        watermark_url: the watermarked variant, where one was asked for.
    """

    index: int
    url: str = attrs.field(repr=_shown)
    watermark_url: str | None = attrs.field(default=None, repr=_shown)


@attrs.frozen(kw_only=True)
class Audio:
    """One finished piece of sound.

    Attributes:
        id: the service's id of the sound.
        url: where it can be fetched, signed, for 30 days: the MP3 where there are two. The repr leaves the signature
            out.
        url_wav: the same sound as WAV, where there is one.
        duration: seconds.
        duration_wav: seconds of the WAV.
    """

    id: str
    url: str = attrs.field(repr=_shown)
    url_wav: str | None = attrs.field(default=None, repr=_shown)
    duration: Decimal | None = None
    duration_wav: Decimal | None = None


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
        videos: the videos made, once `status` is `succeed`.
        images: the pictures made; those of a series, too.
        audios: the sound made.
        voices: the voices made.
        elements: the elements made.
        raw: all results as they came in JSON: what no other attribute has is here. Not in the repr, since addresses
            are signed, and not compared.
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
    images: tuple[Picture, ...] = ()
    audios: tuple[Audio, ...] = ()
    voices: tuple[Voice, ...] = ()
    elements: tuple[Element, ...] = ()
    raw: Any = attrs.field(default=None, repr=False, eq=False)
    watermark: bool = False
    final_unit_deduction: Decimal | None = None
    final_balance_deduction: BalanceDeduction | None = None

    @property
    def reference(self) -> str:
        """The text that `KlingClient.attach` takes, in any process: `image2video:<task_id>`."""
        return str(Reference(endpoint=self.endpoint, id=self.task_id))
