"""How a file ends, by its bytes: what comes may be cut off without a word."""

import enum
from collections.abc import Callable
from typing import Protocol

Read = Callable[[int, int], bytes]
"""Reads a file: `(offset, count)` to bytes, fewer where it ends."""


class Shape(enum.Enum):
    """Whether a file is all there, as far as its own bytes tell."""

    WHOLE = "it begins as it should, and ends where it says"
    CUT = "it begins as it should, and goes on behind its end"
    OPEN = "it begins as it should; such files do not say where they end"
    ODD = "it does not begin as it should, or does not add up"


class Follower(Protocol):
    """Follows the bytes of a file that come one after the other and are not kept."""

    def take(self, chunk: bytes) -> None:
        """Takes the bytes that come next."""

    def shape(self) -> Shape:
        """What a file is that ends here."""
        ...
