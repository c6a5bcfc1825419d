"""`/v1/general/delete-advanced-elements`: an element of the account is deleted."""

from collections.abc import Iterator

import attrs

from kling_async.protocol import records
from kling_async.protocol.call import Call, CallEndpoint
from kling_async.protocol.converters import AS_TEXT
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import LONG_MOST, whole
from kling_async.protocol.wire.results import check_deleted


@attrs.frozen
class DeleteElement(Call[None]):
    """Deletes an element of your own: `POST /v1/general/delete-advanced-elements`.

    It is free, and sent again if its answer is lost. Preset elements cannot be deleted.

    Attributes:
        element_id: the element: an `Element`, or its id.
    """

    element_id: int = attrs.field(converter=records.element_id, metadata=AS_TEXT)


def element_id(request: DeleteElement) -> Iterator[Problem]:
    """A number of 64 bits."""
    yield from whole("element_id", request.element_id, 1, LONG_MOST)


ENDPOINT = CallEndpoint(
    method="POST",
    path="/v1/general/delete-advanced-elements",
    record=DeleteElement,
    rules=(element_id,),
    read=check_deleted,
)
