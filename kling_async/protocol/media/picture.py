"""Pictures that tasks made."""

from datetime import datetime

import attrs

from kling_async.protocol.media.given import without_query


def shown_address(url: str | None) -> str:
    """An address for a repr: without its signature."""
    return repr(url and without_query(url))


@attrs.frozen(kw_only=True)
class Picture:
    """One finished picture; it can be given wherever a picture is taken.

    Attributes:
        index: its number as the service counts, from 0; several views of one subject share it.
        url: where it can be fetched, signed, for 30 days. The repr leaves the signature out.
        watermark_url: the watermarked variant, where one was asked for.
        created_at: when its task ended (UTC); not compared.
    """

    index: int
    url: str = attrs.field(repr=shown_address)
    watermark_url: str | None = attrs.field(default=None, repr=shown_address)
    created_at: datetime | None = attrs.field(default=None, repr=False, eq=False)
