"""What one create goes by: what its caller asks for, and what its endpoint can."""

from typing import NamedTuple


class CreateRules(NamedTuple):
    """What the create machine goes by.

    Attributes:
        can_look_up: whether the endpoint finds tasks by their external id. Where it does not, nothing that may have
            made a task is sent again, and its doubt ends at once.
        own_id: whether the id was made for this create, so that nobody else can have used it.
        adopt: whether an older task with the id is taken as the result.
        resend: whether what was not found over `settle` seconds is sent again; if not, it stays in doubt.
        from_key: whether the id was made from the key alone, so that each copy of the journal makes the same one.
        resend_after: seconds of looking it up before it is sent again, at least.
        searches: whether all tasks since it was sent are looked at before it is sent again.
    """

    can_look_up: bool
    own_id: bool
    adopt: bool
    resend: bool
    from_key: bool = False
    resend_after: float = 0.0
    searches: bool = False
