"""Whether a file is complete by its bytes: a download may be cut off without an error."""

import enum
from collections.abc import Callable
from typing import Protocol

Read = Callable[[int, int], bytes]
"""Reads `(offset, count)` bytes of a file; fewer at its end."""


class Shape(enum.Enum):
    """Whether a file is complete, as far as its bytes show."""

    WHOLE = "valid beginning; the file ends where its structure ends"
    CUT = "valid beginning; the structure continues after the file's end"
    OPEN = "valid beginning, of a format that does not define its end"
    ODD = "invalid beginning, or inconsistent structure"


class Follower(Protocol):
    """Checks the structure of a file while its bytes pass, without keeping them."""

    def take(self, chunk: bytes) -> None:
        """Adds the next bytes."""

    def shape(self) -> Shape:
        """Returns the shape of a file that ends here."""
        ...
