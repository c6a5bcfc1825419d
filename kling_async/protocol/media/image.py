"""The pictures of a request."""

from datetime import datetime
from pathlib import PurePath
from typing import ClassVar, Self

import attrs

from kling_async.protocol.media.given import Media
from kling_async.protocol.media.picture import Picture


@attrs.frozen(repr=False)
class Image(Media):
    """A picture to send: a file, a web address, bytes, or the picture of an earlier task.

    Made from what the user gives by `Image.of`; rarely needed by name, except for `Image.from_base64`.

    Attributes:
        source: which of the kinds it is.
        path: the file, for `MediaSource.PATH`.
        url: the address, for `MediaSource.URL`; the service fetches it.
        data: the bytes of the file, for `MediaSource.DATA`.
        complaint: why it is not a picture, for `MediaSource.UNREADABLE`; the rules report it.
        created_at: when the picture of an earlier task was made (UTC); not compared.
    """

    created_at: datetime | None = attrs.field(default=None, eq=False)

    _magic_in_base64: ClassVar = ("/9j/", "iVBORw0KGgo", "UklGR", "R0lGOD")  # JPEG, PNG, WebP, GIF

    @classmethod
    def _of(cls, given: object) -> Self:
        if not isinstance(given, Picture):
            return super()._of(given)
        if not given.url:
            return cls._unreadable("this picture of an earlier task has no address to fetch it from")
        return attrs.evolve(cls.of(given.url), created_at=given.created_at)


ImageGiven = str | bytes | PurePath | Image | Picture
"""What users may give for a picture: a path, an `http(s)://` address, bytes, an `Image`, or an earlier `Picture`."""
