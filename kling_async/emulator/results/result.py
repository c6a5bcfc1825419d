"""What a task gives, as far as the store, the links and the answers need to know; each kind of result is a module."""

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, Self

Link = Callable[[str], str]
"""Gives the URL of one of a task's files, by the file's name."""

Loader = Callable[[str], bytes]
"""Gives the bytes of a kept image."""

ID_MEMBERS: Final = ("id", "voice_id", "element_id", "session_id")
"""What the id of a thing is called in answers; pictures have none."""


class Placeholder(Hashable, Protocol):
    """A file made without an encoder. Equal ones have the same bytes."""

    def make(self) -> bytes:
        """Make it."""
        ...


class Rendering(Hashable, Protocol):
    """A file that shows what was submitted. Equal ones have the same bytes, and the same `repr`."""

    @property
    def is_large(self) -> bool:
        """Whether it takes so much memory that it is made alone."""
        ...

    def make(self, load: Loader, target: Path, stopped: Callable[[], bool]) -> None:
        """Make it.

        Args:
            load: Gives the bytes of an image.
            target: The file to write.
            stopped: Asked now and then; when it says so, making it ends with an exception.
        """
        ...


class Result(Hashable, Protocol):
    """What a task gives once it has succeeded: its files, and how answers tell of them."""

    @property
    def files(self) -> Mapping[str, str]:
        """The names of its files in links, each with a suffix: {"plain": ".mp4"}. The first is the main one."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; (0, 0) of what is no picture."""
        ...

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Give the member of a query's answer, lists of objects by kind."""
        ...

    def placeholder(self, name: str, label: str) -> Placeholder:
        """Give a file as it is without rendering.

        Args:
            name: One of `files`.
            label: Digits that make it differ from other tasks' files.
        """
        ...

    def rendering(self, name: str, images: Mapping[str, str]) -> Rendering:
        """Give a file as it is rendered.

        Args:
            name: One of `files`.
            images: Where the submitted images are kept, by member.
        """
        ...

    def revised(self, revision: int) -> Self:
        """Give a result whose rendered files look different."""
        ...
