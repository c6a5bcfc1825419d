"""Results of several kinds: a video with its sound, for example."""

from collections.abc import Mapping
from typing import Any

import attrs

from .result import Link, Placeholder, Rendering, Result


@attrs.frozen
class SeveralResults:
    """Several results of one task.

    Attributes:
        parts: The results, no two with a file of the same name; the first is the main one. Their ids are that of the
            result and the numbers after it.
    """

    parts: tuple[Result, ...]

    @property
    def files(self) -> Mapping[str, str]:
        """The files of all parts."""
        return {name: suffix for part in self.parts for name, suffix in part.files.items()}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the first part."""
        return self.parts[0].size

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the parts as in answers."""
        result: dict[str, Any] = {}
        for number, part in enumerate(self.parts):
            result |= part.task_result(str(int(result_id) + number), link)
        return result

    def placeholder(self, name: str, label: str) -> Placeholder:
        """Returns a file without rendering."""
        return self._part(name).placeholder(name, label)

    def rendering(self, name: str, images: Mapping[str, str]) -> Rendering:
        """Returns a rendered file."""
        return self._part(name).rendering(name, images)

    def revised(self, revision: int) -> "SeveralResults":
        """Returns results whose files look different."""
        return attrs.evolve(self, parts=tuple(part.revised(revision) for part in self.parts))

    def _part(self, name: str) -> Result:
        return next(part for part in self.parts if name in part.files)
