"""The rules of one create: the caller's options, and the endpoint's abilities."""

from typing import NamedTuple


class CreateRules(NamedTuple):
    """The rules that the create machine follows.

    Attributes:
        can_look_up: whether the endpoint finds tasks by their external id. If not, a request that may have made a task
            is never sent again, and fails with `CreateInDoubt` at once.
        own_id: whether the id was made for this create, so that no other create can have used it.
        adopt: whether an older task with the id is accepted as the result.
        resend: whether a request whose task was not found for `settle` seconds is sent again; otherwise it stays in
            doubt.
        from_key: whether the id was made from the key alone, so that each copy of the journal makes the same one.
        resend_after: minimum seconds of look-ups before the request is sent again.
        searches: whether all tasks since the first send are searched before the request is sent again.
    """

    can_look_up: bool
    own_id: bool
    adopt: bool
    resend: bool
    from_key: bool = False
    resend_after: float = 0.0
    searches: bool = False
