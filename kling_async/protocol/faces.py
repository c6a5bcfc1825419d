"""Faces in a video: the value of the call that lip-sync begins with."""

from decimal import Decimal

import attrs

from kling_async.protocol import cost
from kling_async.protocol.cost import Cost
from kling_async.protocol.media.picture import shown_address
from kling_async.protocol.results import BalanceDeduction


@attrs.frozen(kw_only=True)
class Face:
    """One face in a video, for as long as it is visible.

    A person who is out of sight for more than a second has a different face afterwards.

    Attributes:
        face_id: its id in the session.
        face_image: signed address of a picture of it. The repr omits the signature.
        start_time: first moment at which it is visible, in milliseconds of the video.
        end_time: last moment at which it is visible, in milliseconds; may be slightly after the video's end.
    """

    face_id: str
    face_image: str | None = attrs.field(default=None, repr=shown_address)
    start_time: int | None = None
    end_time: int | None = None


@attrs.frozen(kw_only=True)
class Faces:
    """The faces in a video.

    Attributes:
        session_id: id to pass to lip-sync, for 24 hours.
        face_data: the faces; empty if the service found none.
        final_unit_deduction: units paid.
        final_balance_deduction: money paid, for accounts with a balance.
    """

    session_id: str
    face_data: tuple[Face, ...] = ()
    final_unit_deduction: Decimal | None = None
    final_balance_deduction: BalanceDeduction | None = None

    @property
    def cost(self) -> Cost | None:
        """What it took from the account; None if the service does not report it."""
        return cost.legacy(self.final_unit_deduction, self.final_balance_deduction)
