"""References: permanent names of tasks, as text."""

from typing import Final, Self

import attrs

RAW_PREFIX: Final = "raw:"
"""Prefix of the references of tasks whose path has no record: `raw:<path>:<id>`."""

TASKS: Final = "tasks"
"""First half of the references of all tasks of the current generation: `tasks:<id>`."""

EXTERNAL_PREFIX: Final = "external:"
"""Prefix of an external id in such a reference: the service's and the external id are queried differently."""


def is_same_id(one: str | None, other: str | None) -> bool:
    """Whether two external ids are equal, ignoring case, which a system in between may have changed."""
    return one is not None and other is not None and one.casefold() == other.casefold()


@attrs.frozen
class Reference:
    """The permanent name of one task: an endpoint, and the service's or the caller's id.

    Attributes:
        endpoint: name of the endpoint: the path without `/v1/` and `videos/`, or `tasks` in the current generation.
        id: the task id, or the external task id until the task id is known. In the current generation the latter
            follows `external:`; legacy endpoints accept both.
    """

    endpoint: str
    id: str

    @classmethod
    def by_external_task_id(cls, endpoint: str, external_task_id: str) -> Self:
        """Returns the reference of a task by the caller's id."""
        return cls(endpoint, f"{EXTERNAL_PREFIX}{external_task_id}" if endpoint == TASKS else external_task_id)

    @property
    def external_task_id(self) -> str | None:
        """The caller's id; None if `id` is the service's, or may be either."""
        named = self.endpoint == TASKS and self.id.startswith(EXTERNAL_PREFIX)
        return self.id.removeprefix(EXTERNAL_PREFIX) if named else None

    def __str__(self) -> str:
        """`<endpoint>:<id>`."""
        return f"{self.endpoint}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses `<endpoint>:<id>`.

        Raises:
            ValueError: the text is not a reference.
        """
        given = text.strip() if isinstance(text, str) else ""
        raw = RAW_PREFIX if given.startswith(RAW_PREFIX) else ""
        endpoint, _, id_ = given.removeprefix(raw).partition(":")
        # A query of the current generation separates several ids by commas.
        several = endpoint == TASKS and ("," in id_ or id_ == EXTERNAL_PREFIX)
        if not (endpoint and id_) or id_ in {".", ".."} or not id_.isprintable() or several:
            name = f"{raw}<path>" if raw else "<endpoint>"
            raise ValueError(f"expected a reference such as '{name}:<task id>', got {text!r}")
        return cls(f"{raw}{endpoint}", id_)
