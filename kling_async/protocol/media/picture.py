"""Pictures made by tasks."""

from datetime import datetime

import attrs

from kling_async.protocol.media.given import without_query


def shown_address(url: str | None) -> str:
    """Returns the repr of an address without its signature."""
    return repr(url and without_query(url))


@attrs.frozen(kw_only=True)
class Picture:
    """One finished picture; it can be used wherever a request accepts a picture.

    Attributes:
        index: its number as the service counts, from 0; several views of one subject share it.
        url: signed address, valid for 30 days. The repr omits the signature.
        watermark_url: address of the watermarked variant, if one was requested.
        created_at: when its task ended (UTC); not compared.
    """

    index: int
    url: str = attrs.field(repr=shown_address)
    watermark_url: str | None = attrs.field(default=None, repr=shown_address)
    created_at: datetime | None = attrs.field(default=None, repr=False, eq=False)
