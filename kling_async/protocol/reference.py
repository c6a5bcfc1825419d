"""References: text that names one task for ever."""

from typing import Final, Self

import attrs

RAW_PREFIX: Final = "raw:"
"""Begins the references of tasks whose path has no record: `raw:<path>:<id>`."""

TASKS: Final = "tasks"
"""Begins the references of all tasks of the current generation: `tasks:<id>`."""

EXTERNAL_PREFIX: Final = "external:"
"""Begins the id of such a reference where it is the external one: the service is asked for the two differently."""


def is_same_id(one: str | None, other: str | None) -> bool:
    """Whether two external ids are one, whatever their case: what stands between may have changed it."""
    return one is not None and other is not None and one.casefold() == other.casefold()


@attrs.frozen
class Reference:
    """Names one task for ever: an endpoint, and the service's or the caller's id.

    Attributes:
        endpoint: its name: the path without `/v1/` and `videos/`, or `tasks` in the current generation.
        id: the task id, or the external task id as long as the other is not known: in the current generation behind
            `external:`, elsewhere the service answers to both.
    """

    endpoint: str
    id: str

    @classmethod
    def by_external_task_id(cls, endpoint: str, external_task_id: str) -> Self:
        """Names a task by the caller's id."""
        return cls(endpoint, f"{EXTERNAL_PREFIX}{external_task_id}" if endpoint == TASKS else external_task_id)

    @property
    def external_task_id(self) -> str | None:
        """The caller's id; None where it is the service's, or may be either."""
        named = self.endpoint == TASKS and self.id.startswith(EXTERNAL_PREFIX)
        return self.id.removeprefix(EXTERNAL_PREFIX) if named else None

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
        # One question of the current generation is about several ids with commas between them.
        several = endpoint == TASKS and ("," in id_ or id_ == EXTERNAL_PREFIX)
        if not (endpoint and id_) or id_ in {".", ".."} or not id_.isprintable() or several:
            name = f"{raw}<path>" if raw else "<endpoint>"
            raise ValueError(f"expected a reference such as '{name}:<task id>', got {text!r}")
        return cls(f"{raw}{endpoint}", id_)
