"""The boxes of an MP4, which end where it ends."""

from typing import Final

from kling_async.protocol.media.shape import Read, Shape

BOX_BYTES: Final = 16
"""The longest head of a box."""

_NEEDED: Final = frozenset({b"moov", b"mdat"})
_KNOWN: Final = _NEEDED | {b"ftyp", b"styp", b"moof"}


def shape_of(size: int, read: Read) -> Shape:
    """Walks through the boxes of a file.

    Args:
        size: of the file in bytes.
        read: reads it.
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
    """Follows the boxes of an MP4 whose bytes come one after the other; it need not see those inside of them."""

    def __init__(self) -> None:
        self._head = b""
        self._left: float = 0
        self._kinds: set[bytes] = set()
        self._broken = False

    def take(self, chunk: bytes) -> None:
        """Takes the bytes that come next."""
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
        """Passes over up to `count` bytes that are in no box's head, and tells how many."""
        if self._broken:
            return count
        passed = int(min(self._left, count))
        self._left -= passed
        return passed

    def shape(self) -> Shape:
        """What a file is that ends here. Both boxes that it needs must be there: it may end between two by chance."""
        ended = not self._head and self._left in {0, float("inf")}
        if ended and not self._broken and self._kinds >= _NEEDED:
            return Shape.WHOLE
        return Shape.CUT if not ended and not self._broken and self._kinds & _KNOWN else Shape.ODD

    def _enter(self) -> None:
        """Goes into a box once its head is there: 8 bytes, or 16 with a long length."""
        have, box = len(self._head), int.from_bytes(self._head[:4])
        if have < 8 or (box == 1 and have < 16):
            return
        if box == 1:
            box = int.from_bytes(self._head[8:])
        self._kinds.add(self._head[4:8])
        self._left = box - have if box else float("inf")  # 0: "to the end of the file"
        self._broken = self._left < 0
        self._head = b""
