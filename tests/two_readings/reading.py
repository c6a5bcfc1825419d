"""What is compared of one endpoint's two readings, and where they differ on purpose."""

from typing import Any

import attrs

from kling_async.protocol.catalog import endpoint_for
from kling_async.protocol.endpoint import Endpoint, Request

Piece = dict[str, Any]
"""Parameters of a request."""


@attrs.frozen
class Difference:
    """What one of the readings refuses, and the other does not.

    Attributes:
        refusal: how it begins, as a pattern.
        example: that shows it.
        why: it is left so.
    """

    refusal: str
    example: Piece
    why: str


@attrs.frozen(kw_only=True)
class Reading:
    """What is drawn of one endpoint's requests.

    Attributes:
        record: of the client.
        least: what every request has.
        pieces: of its own, which may be put over it beside the common ones.
        only_the_client_refuses: deliberate differences.
        only_the_emulator_refuses: deliberate differences.
    """

    record: type[Request]
    least: Piece = attrs.field(repr=False)
    pieces: list[Piece] = attrs.field(repr=False, factory=list)
    only_the_client_refuses: list[Difference] = attrs.field(repr=False, factory=list)
    only_the_emulator_refuses: list[Difference] = attrs.field(repr=False, factory=list)

    @property
    def endpoint(self) -> Endpoint:
        """The client's."""
        found = endpoint_for(self.record)
        assert found is not None
        return found

    @property
    def variants(self) -> list[Piece]:
        """Model, mode and duration of each row of the client's map, as far as it has them; one empty one without a map.

        Of durations only some: those between are like them.
        """
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
        """A request, in which only the parameters differ from the least one."""
        made: Any = self.record
        return made(**{**self.least, **parameters})

    def takes(self, piece: Piece) -> bool:
        """Whether the endpoint has all of these parameters."""
        record: Any = self.record
        return piece.keys() <= attrs.fields_dict(record).keys()
