"""Undoes a `Content-Encoding` that was not requested, within bounds: a few bytes may expand to fill the disk."""

import zlib
from collections.abc import Iterator
from typing import Final

from kling_async.protocol.errors import BadResponse, DownloadError
from kling_async.protocol.media.contents import GZIP
from kling_async.protocol.redaction import printable

RATIO: Final = 20
"""Maximum ratio of unpacked to packed bytes; videos hardly compress at all."""
FREE_BYTES: Final = 2**16
"""Unpacked bytes that are allowed in addition."""
HEAD_BYTES: Final = 16
"""Bytes that show whether a body is packed at all."""
PIECE: Final = 2**18
"""Maximum number of bytes unpacked at once."""

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_OTHERS: Final = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
"""Encodings that cannot be undone here."""


def named(content_encoding: str) -> str | None:
    """Returns the encoding that a header names: `gzip` or `deflate`; None for none.

    Raises:
        DownloadError: the header names one that cannot be undone, or several.
    """
    given = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in given if name in _GZIP | _OTHERS | {"deflate"}]  # others leave the bytes as they are
    if len(names) > 1 or not _OTHERS.isdisjoint(names):
        raise DownloadError(
            f"the file host packs the video ({printable(content_encoding, 40)}) although it was asked not to; "
            "it cannot be unpacked here"
        )
    return names[0].removeprefix("x-") if names else None


class Decoder:
    """Unpacks one body, piece by piece.

    Args:
        wbits: the format, as the `wbits` of zlib.
    """

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._inflate = zlib.decompressobj(wbits)
        self._packed = self._unpacked = 0

    @property
    def ended(self) -> bool:
        """Whether the packed body is complete, by its own end mark."""
        return self._inflate.eof

    def take(self, chunk: bytes) -> Iterator[bytes]:
        """Unpacks the next bytes.

        Raises:
            DownloadError: the unpacked bytes exceed the bounds.
            BadResponse: the bytes cannot be unpacked.
        """
        self._packed += len(chunk)
        while chunk or not self._inflate.eof:
            if self._inflate.eof:
                if not chunk.startswith(GZIP):  # padding
                    return
                self._inflate = zlib.decompressobj(self._wbits)  # gzip allows several members in sequence
            try:
                piece = self._inflate.decompress(chunk, PIECE)
            except zlib.error:
                raise BadResponse("the body cannot be unpacked") from None
            chunk = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            self._unpacked += len(piece)
            if self._unpacked > RATIO * self._packed + FREE_BYTES:
                raise DownloadError(
                    f"the file host packs the video, and it grows to more than {RATIO} times of what comes"
                )
            if piece:
                yield piece
            elif not chunk:
                return


def decoder_for(encoding: str | None, head: bytes) -> Decoder | None:
    """Returns a decoder for a body that begins with `head`; None if its bytes are not packed, whatever the header."""
    if encoding == "gzip":
        return Decoder(31) if head.startswith(GZIP) else None
    if encoding == "deflate":
        for wbits in (15, -15):  # with the zlib header, as RFC 9110 requires, and without, as some servers send it
            with_it = zlib.decompressobj(wbits)
            try:
                with_it.decompress(head, PIECE)
            except zlib.error:
                continue
            return Decoder(wbits)
    return None
