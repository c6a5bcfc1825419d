"""The interface of results, used by the store, the links and the answers; each kind of result has its own module."""

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, Self

Link = Callable[[str], str]
"""Returns the URL of one of a task's files, by the file's name."""

Loader = Callable[[str], bytes]
"""Returns the bytes of a stored image."""

ID_MEMBERS: Final = ("id", "voice_id", "element_id", "session_id")
"""The members that contain a result's id in answers; pictures have none."""


class Placeholder(Hashable, Protocol):
    """A file made without an encoder. Equal placeholders have the same bytes."""

    def make(self) -> bytes:
        """Makes the file."""
        ...


class Rendering(Hashable, Protocol):
    """A file that shows the submitted images. Equal renderings have the same bytes and the same `repr`."""

    @property
    def is_large(self) -> bool:
        """Whether it needs so much memory that no other large one may be made at the same time."""
        ...

    def make(self, load: Loader, target: Path, stopped: Callable[[], bool]) -> None:
        """Makes the file.

        Args:
            load: Returns the bytes of an image.
            target: The file to write.
            stopped: Called now and then; once it returns True, `make` raises an exception.
        """
        ...


class Result(Hashable, Protocol):
    """The result of a task that has succeeded: its files, and its form in answers."""

    @property
    def files(self) -> Mapping[str, str]:
        """The names of its files in links, each with a suffix: {"plain": ".mp4"}. The first is the main one."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; (0, 0) if it is not visible."""
        ...

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the `task_result` of a query's answer: lists of objects by kind."""
        ...

    def placeholder(self, name: str, label: str) -> Placeholder:
        """Returns a file without rendering.

        Args:
            name: One of `files`.
            label: Digits that distinguish it from other tasks' files.
        """
        ...

    def rendering(self, name: str, images: Mapping[str, str]) -> Rendering:
        """Returns a rendered file.

        Args:
            name: One of `files`.
            images: Names of the submitted images in the store, by member.
        """
        ...

    def revised(self, revision: int) -> Self:
        """Returns a result whose rendered files look different."""
        ...
