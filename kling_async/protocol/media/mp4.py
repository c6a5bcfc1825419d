"""Checks the boxes of an MP4, the last of which ends with the file."""

from typing import Final

from kling_async.protocol.media.shape import Read, Shape

BOX_BYTES: Final = 16
"""Length of the longest box header."""

_NEEDED: Final = frozenset({b"moov", b"mdat"})
_KNOWN: Final = _NEEDED | {b"ftyp", b"styp", b"moof"}


def shape_of(size: int, read: Read) -> Shape:
    """Returns the shape of a stored file, by its boxes.

    Args:
        size: of the file in bytes.
        read: reads from it.
    """
    boxes, offset = Boxes(), 0
    while offset < size:
        head = read(offset, BOX_BYTES)
        if not head:
            return Shape.CUT
        boxes.take(head)
        offset += len(head)
        offset += boxes.skip(size - offset)
    return boxes.shape()


class Boxes:
    """Checks the boxes of an MP4 while its bytes pass; the contents of boxes may be skipped."""

    def __init__(self) -> None:
        self._head = b""
        self._left: float = 0
        self._kinds: set[bytes] = set()
        self._broken = False

    def take(self, chunk: bytes) -> None:
        """Adds the next bytes."""
        while chunk and not self._broken:
            if self._left:
                passed = int(min(self._left, len(chunk)))
                self._left -= passed
            else:
                wanted = 16 if self._head[:4] == b"\0\0\0\1" and len(self._head) >= 8 else 8
                passed = min(wanted - len(self._head), len(chunk))
                self._head += chunk[:passed]
                self._enter()
            chunk = chunk[passed:]

    def skip(self, count: int) -> int:
        """Skips up to `count` bytes of the current box's content, and returns how many."""
        if self._broken:
            return count
        passed = int(min(self._left, count))
        self._left -= passed
        return passed

    def shape(self) -> Shape:
        """Returns the shape of a file that ends here.

        Both required boxes must be present: a truncated file may happen to end between two boxes.
        """
        ended = not self._head and self._left in {0, float("inf")}
        if ended and not self._broken and self._kinds >= _NEEDED:
            return Shape.WHOLE
        return Shape.CUT if not ended and not self._broken and self._kinds & _KNOWN else Shape.ODD

    def _enter(self) -> None:
        """Enters a box once its header is complete: 8 bytes, or 16 with a long length."""
        have, box = len(self._head), int.from_bytes(self._head[:4])
        if have < 8 or (box == 1 and have < 16):
            return
        if box == 1:
            box = int.from_bytes(self._head[8:])
        self._kinds.add(self._head[4:8])
        self._left = box - have if box else float("inf")  # 0: "to the end of the file"
        self._broken = self._left < 0
        self._head = b""
