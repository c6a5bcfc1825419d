"""The files of a request: paths, addresses and bytes, as users give them."""

import base64
import enum
from pathlib import PurePath
from typing import ClassVar, Self
from urllib.parse import urlsplit

import attrs


class MediaSource(enum.Enum):
    """Where the bytes of a file come from."""

    PATH = "path"
    URL = "url"
    DATA = "data"
    UNREADABLE = "unreadable"


@attrs.frozen(repr=False)
class Media:
    """A file to send: a local file, a web address, or bytes. `Image` and `Sound` are its subclasses.

    Attributes:
        source: which of these it is.
        path: the file, for `MediaSource.PATH`.
        url: the address, for `MediaSource.URL`; the service fetches it.
        data: the bytes of the file, for `MediaSource.DATA`.
        complaint: why it cannot be sent, for `MediaSource.UNREADABLE`; the rules report it.
    """

    source: MediaSource
    path: str | None = None
    url: str | None = None
    data: bytes | None = None
    complaint: str | None = None

    _magic_in_base64: ClassVar[tuple[str, ...]] = ()

    @property
    def is_local(self) -> bool:
        """Whether its bytes are on this machine."""
        return self.source in {MediaSource.PATH, MediaSource.DATA}

    @classmethod
    def of(cls, given: object) -> Self:
        """Accepts a path, an `http(s)://` address, bytes, an object of this class, or a result. Never raises."""
        try:
            return cls._of(given)
        except Exception as error:  # noqa: BLE001  (a released view, an unbound proxy)
            return cls._unreadable(f"{type(given).__name__[:60]} cannot be read: it raises {type(error).__name__[:60]}")

    @classmethod
    def _of(cls, given: object) -> Self:
        if isinstance(given, cls):
            return given
        match given:
            case bytes() | bytearray() | memoryview():
                return cls(MediaSource.DATA, data=bytes(given))
            case str():
                return cls._of_text(given)
            case PurePath():
                return cls(MediaSource.PATH, path=str(given))
            case _:
                kind = type(given).__name__
                return cls._unreadable(f"expected a path, an http(s):// address or bytes, got {kind}")

    @classmethod
    def from_base64(cls, text: str | bytes) -> Self:
        """Decodes base64 text in either alphabet, padded or not, with or without a `data:...;base64,` prefix.

        Raises:
            ValueError: the text is not base64.
        """
        try:
            letters = text if isinstance(text, str) else bytes(memoryview(text)).decode()
            body = letters.partition(",")[2] if letters[:5].lower() == "data:" else letters
            body = "".join(body.split()).translate(_ALPHABET).rstrip("=")
            return cls(MediaSource.DATA, data=base64.b64decode(body + "=" * (-len(body) % 4), validate=True))
        except (ValueError, TypeError):
            raise ValueError(f"{cls.__name__}.from_base64: the text is not valid base64") from None

    @classmethod
    def _of_text(cls, text: str) -> Self:
        decode = f"decode it first ({cls.__name__}.from_base64 does)"
        if not text.strip():
            return cls._unreadable("an empty string is no path; leave the parameter out instead")
        if text[:5].lower() == "data:":
            return cls._unreadable(f"a 'data:' address is not accepted by the service: {decode}")
        scheme = text.partition("://")[0].lower()
        if scheme in {"http", "https"} and "://" in text:
            if host_of(text) is None:
                return cls._unreadable("this http(s):// address names no host")
            return cls(MediaSource.URL, url=text)
        if _looks_like_base64(text, cls._magic_in_base64):
            return cls._unreadable(f"this string looks like base64, not a path: {decode}")
        if "://" in text:
            return cls._unreadable(f"the service fetches http:// and https:// only, not {scheme[:16]}://")
        if "\0" in text:
            return cls._unreadable("a path cannot contain a NUL character")
        return cls(MediaSource.PATH, path=text)

    @classmethod
    def _unreadable(cls, complaint: str) -> Self:
        return cls(MediaSource.UNREADABLE, complaint=complaint)

    def __repr__(self) -> str:
        """Names the source, but neither the content nor the query of an address, which may contain a signature."""
        kind = type(self).__name__
        match self.source:
            case MediaSource.PATH:
                return f"{kind}({PurePath(self.path or '').name!r})"
            case MediaSource.URL:
                return f"{kind}({without_query(self.url or '')!r})"
            case MediaSource.DATA:
                return f"{kind}(<{len(self.data or b'')} bytes>)"
            case _:
                return f"{kind}(<unreadable>)"


@attrs.frozen(kw_only=True)
class FileFacts:
    """Facts about a local file before it is sent.

    Attributes:
        size: of the file in bytes; None if it could not be read.
        complaint: why nothing more is known.
        missing_file: whether there is no such file.
    """

    size: int | None = None
    complaint: str | None = None
    missing_file: bool = False


def host_of(text: str) -> str | None:
    """Returns the host of an address; None if it has none or cannot be parsed."""
    try:
        return urlsplit(text).hostname
    except ValueError:
        return None


def without_query(url: str) -> str:
    """Returns the address without its query, fragment and user: a signature or a password must not reach a log."""
    try:
        parts = urlsplit(url)
        return parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return "<unreadable address>"


_ALPHABET = str.maketrans("-_", "+/")
_BASE64_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")


def _looks_like_base64(text: str, magic: tuple[str, ...]) -> bool:
    # Only base64's letters, and longer than any file name, or beginning like such a file.
    if not set(text) <= _BASE64_LETTERS:
        return False
    opens_as_file = text.startswith(magic) and len(text) > 64
    return opens_as_file or (len(text) > 1024 and max(map(len, text.split("/"))) > 255) or len(text) > 4096
