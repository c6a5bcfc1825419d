"""The pictures of a request: where each comes from, by what the user gave."""

import base64
import enum
from pathlib import PurePath
from typing import Self
from urllib.parse import urlsplit

import attrs


class ImageSource(enum.Enum):
    """Where the bytes of a picture come from."""

    PATH = "path"
    URL = "url"
    DATA = "data"
    UNREADABLE = "unreadable"


@attrs.frozen(repr=False)
class Image:
    """A picture to send: a file, a web address, or bytes.

    Made from what the user gives by `Image.of`; rarely needed by name, except for `Image.from_base64`.

    Attributes:
        source: which of the kinds it is.
        path: the file, for `ImageSource.PATH`.
        url: the address, for `ImageSource.URL`; the service fetches it.
        data: the bytes of the file, for `ImageSource.DATA`.
        complaint: why it is no picture, for `ImageSource.UNREADABLE`; the rules report it.
    """

    source: ImageSource
    path: str | None = None
    url: str | None = None
    data: bytes | None = None
    complaint: str | None = None

    @classmethod
    def of(cls, given: object) -> "Image":
        """Reads what a user gave: a path, an `http(s)://` address, bytes, or an `Image`. Never raises."""
        match given:
            case Image():
                return given
            case bytes() | bytearray() | memoryview():
                return cls(ImageSource.DATA, data=bytes(given))
            case str():
                return cls._of_text(given)
            case PurePath():
                return cls(ImageSource.PATH, path=str(given))
            case _:
                kind = type(given).__name__
                return cls._unreadable(f"expected a path, an http(s):// address or bytes, got {kind}")

    @classmethod
    def from_base64(cls, text: str | bytes) -> Self:
        """Takes base64 text in either alphabet, padded or not, with or without a `data:...;base64,` prefix.

        Raises:
            ValueError: the text is not base64.
        """
        try:
            letters = text if isinstance(text, str) else bytes(memoryview(text)).decode()
            body = letters.partition(",")[2] if letters[:5].lower() == "data:" else letters
            body = "".join(body.split()).translate(_ALPHABET).rstrip("=")
            return cls(ImageSource.DATA, data=base64.b64decode(body + "=" * (-len(body) % 4), validate=True))
        except (ValueError, TypeError):
            raise ValueError("Image.from_base64: the text is not valid base64") from None

    @classmethod
    def _of_text(cls, text: str) -> "Image":
        if not text.strip():
            return cls._unreadable("an empty string is no path; leave the parameter out instead")
        if text[:5].lower() == "data:":
            return cls._unreadable(
                "a 'data:' address is not accepted by the service: decode it first (Image.from_base64 does)"
            )
        scheme = text.partition("://")[0].lower()
        if scheme in {"http", "https"} and "://" in text:
            if host_of(text) is None:
                return cls._unreadable("this http(s):// address names no host")
            return cls(ImageSource.URL, url=text)
        if _looks_like_base64(text):
            return cls._unreadable(
                "this string looks like base64, not a path: decode it first (Image.from_base64 does)"
            )
        if "://" in text:
            return cls._unreadable(f"the service fetches http:// and https:// only, not {scheme[:16]}://")
        if "\0" in text:
            return cls._unreadable("a path cannot contain a NUL character")
        return cls(ImageSource.PATH, path=text)

    @classmethod
    def _unreadable(cls, complaint: str) -> "Image":
        return cls(ImageSource.UNREADABLE, complaint=complaint)

    def __repr__(self) -> str:
        """Names the source, never the content, and no query of an address (it may hold a signature)."""
        match self.source:
            case ImageSource.PATH:
                return f"Image({PurePath(self.path or '').name!r})"
            case ImageSource.URL:
                return f"Image({without_query(self.url or '')!r})"
            case ImageSource.DATA:
                return f"Image(<{len(self.data or b'')} bytes>)"
            case _:
                return "Image(<unreadable>)"


ImageGiven = str | bytes | PurePath | Image
"""What users may give for a picture: a path, an `http(s)://` address, bytes, or an `Image`."""


def host_of(text: str) -> str | None:
    """The host of an address, or None where it has none or cannot be read."""
    try:
        return urlsplit(text).hostname
    except ValueError:
        return None


def without_query(url: str) -> str:
    """The address without its query, fragment and user: a signature or a password must not reach a log."""
    try:
        parts = urlsplit(url)
        return parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return "<unreadable address>"


_ALPHABET = str.maketrans("-_", "+/")
_BASE64_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")
_MAGIC_IN_BASE64 = ("/9j/", "iVBORw0KGgo", "UklGR", "R0lGOD")  # JPEG, PNG, WebP, GIF


def _looks_like_base64(text: str) -> bool:
    # Longer than any file name, and of base64's letters only; or shorter, but opening as a picture does.
    if not set(text) <= _BASE64_LETTERS:
        return False
    opens_as_picture = text.startswith(_MAGIC_IN_BASE64) and len(text) > 64
    return opens_as_picture or (len(text) > 1024 and max(map(len, text.split("/"))) > 255) or len(text) > 4096
