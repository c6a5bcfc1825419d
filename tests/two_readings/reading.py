"""The requests with which two readings of an endpoint are compared, and their deliberate differences."""

from typing import Any

import attrs

from kling_async.protocol.catalog import endpoint_for
from kling_async.protocol.endpoint import Endpoint, Request

Piece = dict[str, Any]
"""Parameters of a request."""


@attrs.frozen
class Difference:
    """A request that one of the readings refuses, and the other does not.

    Attributes:
        refusal: Beginning of the message, as a pattern.
        example: Parameters that are refused.
        why: Reason for the difference.
    """

    refusal: str
    example: Piece
    why: str


@attrs.frozen(kw_only=True)
class Reading:
    """The requests of one endpoint.

    Attributes:
        record: The client's record.
        least: Parameters of the smallest request.
        pieces: Changes of it, in addition to the common ones.
        only_the_client_refuses: Deliberate differences.
        only_the_emulator_refuses: Deliberate differences.
    """

    record: type[Request]
    least: Piece = attrs.field(repr=False)
    pieces: list[Piece] = attrs.field(repr=False, factory=list)
    only_the_client_refuses: list[Difference] = attrs.field(repr=False, factory=list)
    only_the_emulator_refuses: list[Difference] = attrs.field(repr=False, factory=list)

    @property
    def endpoint(self) -> Endpoint:
        """The client's endpoint."""
        found = endpoint_for(self.record)
        assert found is not None
        return found

    @property
    def variants(self) -> list[Piece]:
        """Model, mode and some durations of each row of the client's capabilities; one empty variant without any."""
        if self.endpoint.capabilities is None:
            return [{}]
        made = []
        for row in self.endpoint.capabilities.rows:
            own = {"model_name": row.model_name, "mode": row.mode, "duration": row.duration}
            variant = {name: value for name, value in own.items() if self.takes({name: value})}
            if variant not in made and row.duration in {None, 3, 5, 10, 15}:
                made.append(variant)
        return made

    def request(self, **parameters: Any) -> Any:
        """Returns the smallest request with these parameters changed."""
        made: Any = self.record
        return made(**{**self.least, **parameters})

    def takes(self, piece: Piece) -> bool:
        """Whether the endpoint has all of these parameters."""
        record: Any = self.record
        return piece.keys() <= attrs.fields_dict(record).keys()
