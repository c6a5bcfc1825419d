"""`/v1/general/delete-voices`: a voice of the account is deleted."""

from collections.abc import Iterator

import attrs

from kling_async.protocol import records
from kling_async.protocol.call import Call, CallEndpoint
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import filled
from kling_async.protocol.wire.results import check_deleted


@attrs.frozen
class DeleteVoice(Call[None]):
    """Deletes a voice of your own: `POST /v1/general/delete-voices`.

    It is free, and sent again if its answer is lost. Preset voices cannot be deleted.

    Attributes:
        voice_id: the voice: a `Voice`, or its id.
    """

    voice_id: str = attrs.field(converter=records.voice_id)


def voice_id(request: DeleteVoice) -> Iterator[Problem]:
    """An id; only the service can check whether it exists."""
    yield from filled("voice_id", request.voice_id)


ENDPOINT = CallEndpoint(
    method="POST",
    path="/v1/general/delete-voices",
    record=DeleteVoice,
    rules=(voice_id,),
    read=check_deleted,
)
