"""Results of tasks: videos, pictures, sound, voices and elements; and money taken from the account."""

from datetime import datetime
from decimal import Decimal

import attrs

from kling_async.protocol.converters import whole_number
from kling_async.protocol.media.picture import shown_address


@attrs.frozen(kw_only=True)
class Voice:
    """A voice of the account or a preset one: named `<<<voice_1>>>` in a prompt, and the result of making one.

    The id is enough to use it, and the only attribute that is sent.

    Attributes:
        voice_id: its id, from the custom or preset voices (not lip-sync or TTS).
        voice_name: its name.
        trial_url: signed address of a sample. The repr omits the signature.
        owned_by: `kling` for a preset voice, otherwise the id of its owner.
        status: `succeed` or `deleted`, if the service reports it.
    """

    voice_id: str
    voice_name: str = ""
    trial_url: str | None = attrs.field(default=None, repr=shown_address)
    owned_by: str = ""
    status: str = ""


@attrs.frozen(kw_only=True)
class Element:
    """A subject of the element library: named `<<<element_1>>>` in a prompt, and the result of making one.

    The id is enough to use it, and the only attribute that is sent. The pictures that it was made from are in
    `Task.raw`.

    Attributes:
        element_id: its number; may exceed 2**53.
        element_name: its name.
        element_description: its description.
        reference_type: `image_refer` or `video_refer`; in the new generation the kind of element.
        element_voice_info: the voice that is bound to it.
        owned_by: `kling` for a preset element, otherwise the id of its owner.
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
        url: signed address, valid for 30 days. The repr omits the signature.
        watermark_url: address of the watermarked variant, if one was requested.
        duration: in seconds, close to the requested one (`5.041`).
        created_at: when its task ended (UTC): for 30 days it can be used in other requests. Not compared.
    """

    id: str
    url: str = attrs.field(repr=shown_address)
    watermark_url: str | None = attrs.field(default=None, repr=shown_address)
    duration: Decimal | None = None
    created_at: datetime | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen(kw_only=True)
class Audio:
    """One finished piece of sound.

    Attributes:
        id: the service's id of the sound.
        url: signed address, valid for 30 days; that of the MP3 if there are two formats. The repr omits the signature.
        url_wav: address of the same sound as WAV, if there is one.
        duration: in seconds.
        duration_wav: of the WAV, in seconds.
        created_at: when its task ended (UTC): for 30 days it can be used in other requests. Not compared.
    """

    id: str
    url: str = attrs.field(repr=shown_address)
    url_wav: str | None = attrs.field(default=None, repr=shown_address)
    duration: Decimal | None = None
    duration_wav: Decimal | None = None
    created_at: datetime | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen(kw_only=True)
class BalanceDeduction:
    """What a task took from a balance account.

    Attributes:
        quota: amount deducted.
        list_price: amount before discount.
    """

    quota: Decimal | None = None
    list_price: Decimal | None = None
