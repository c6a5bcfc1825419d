"""The slots in use of one kind of pack: undocumented, and called by the vendor's own server."""

from typing import Final

from kling_async.emulator.service.endpoint import Body
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.synchronous import CallContext, CallEndpoint


def _slots(query: Body, context: CallContext) -> int:
    """Counts the slots of all models, without those that other users of the account take."""
    match query.get("budget_type"):
        case "video" | "image" as pack:
            return context.account.slots_taken(pack)
        case other:
            raise invalid(f"budget_type value '{other or ''}' is invalid")


ENDPOINT: Final = CallEndpoint(path="/account/concurrency", kind="account", answer=_slots)
