"""References: text that names one task for ever."""

from typing import Self

import attrs


@attrs.frozen
class Reference:
    """Names one task for ever: an endpoint, and the service's or the caller's id.

    Attributes:
        endpoint: `image2video`.
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
        endpoint, colon, id_ = text.strip().partition(":") if isinstance(text, str) else ("", "", "")
        if not (endpoint and colon and id_) or id_ in {".", ".."} or not id_.isprintable():
            raise ValueError(f"expected a reference such as 'image2video:8429…', got {text!r}")
        return cls(endpoint, id_)
