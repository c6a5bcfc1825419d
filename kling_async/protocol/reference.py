"""References: text that names one task for ever."""

from typing import Final, Self

import attrs

RAW_PREFIX: Final = "raw:"
"""Begins the references of tasks whose path has no record: `raw:<path>:<id>`."""


@attrs.frozen
class Reference:
    """Names one task for ever: an endpoint, and the service's or the caller's id.

    Attributes:
        endpoint: its name: the path without `/v1/` and `videos/`.
        id: the task id, or the external task id as long as the other is not known; the service answers to both.
    """

    endpoint: str
    id: str

    def __str__(self) -> str:
        """`<endpoint>:<id>`."""
        return f"{self.endpoint}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `<endpoint>:<id>`.

        Raises:
            ValueError: it is something else.
        """
        given = text.strip() if isinstance(text, str) else ""
        raw = RAW_PREFIX if given.startswith(RAW_PREFIX) else ""
        endpoint, _, id_ = given.removeprefix(raw).partition(":")
        if not (endpoint and id_) or id_ in {".", ".."} or not id_.isprintable():
            name = f"{raw}<path>" if raw else "<endpoint>"
            raise ValueError(f"expected a reference such as '{name}:<task id>', got {text!r}")
        return cls(f"{raw}{endpoint}", id_)
