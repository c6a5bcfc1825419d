"""The places at which something happens to a piece of work. Where nobody listens, nothing is done at them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from kling_async.protocol.create_recovery import Create
from kling_async.protocol.errors import InDoubt, KlingError
from kling_async.protocol.tasks import Task

if TYPE_CHECKING:  # they take time to import, and are needed where somebody listens
    from kling_async.protocol.cost import Cost
    from kling_async.protocol.event_of import Ids


class Kept(Protocol):
    """What a journal knows of the work of a task that is followed."""

    @property
    def key(self) -> str | None:
        """The caller's name of it."""
        ...

    @property
    def trace(self) -> str | None:
        """What the client that made it put there, by its tracing."""
        ...

    @property
    def is_counted(self) -> bool:
        """Whether a client has heard what it cost."""
        ...


class ClientEvents(Protocol):
    """What the events of a piece of work need of those of its client."""

    def emitting(self, ids: "Ids") -> "WorkEvents":
        """Such as are told, of the same work."""
        ...


class WorkEvents:
    """The events of one piece of work, told to nobody but for warnings; as a `Listener`, of its task.

    Args:
        events: of the client.
        ids: of the work.
    """

    __slots__ = ("_events", "ids", "is_counted", "trace")

    has_listener = False
    """Whether somebody listens, be it the log."""

    def __init__(self, events: ClientEvents, ids: "Ids") -> None:
        self._events = events
        self.ids = ids
        self.is_counted = False
        """Whether another client has heard what its task cost."""
        self.trace: str | None = None
        """What its tracing wants to be kept in the journal, or what stands there."""

    # -------------------------------------------------------------------------------------- its create

    def queued(self, slots: int) -> None:
        """It stands in line."""

    def sent(self) -> None:
        """Its first byte is about to go out."""

    def answered(self, create: Create, outcome: Task | KlingError) -> None:
        """A send has ended; what that means the create has decided. What fails is in the log in any case."""
        if isinstance(outcome, KlingError):
            self._events.emitting(self.ids).answered(create, outcome)

    def looked_up(self) -> None:
        """What is told next is the answer to a look-up."""

    def left_in_doubt(self) -> None:
        """An earlier process may have sent it, which is looked up now."""

    def not_created(self, error: BaseException, *, undecided: bool) -> None:
        """It has ended without a task; `undecided` where there may be one all the same. A doubt is logged anyhow."""
        if isinstance(error, InDoubt):
            self._events.emitting(self.ids).not_created(error, undecided=undecided)

    def accepted(self, task: Task) -> None:
        """The service has its task."""

    # ---------------------------------------------------------------------------------------- its task

    def attached(self) -> None:
        """It is followed, and was made elsewhere."""

    def changed(self, task: Task, /) -> None:
        """Its task has a new status."""

    def ended(self, end: Task | KlingError) -> None:
        """Its task has ended, or is followed no longer."""

    def paid(self, end: Task | KlingError) -> None:
        """What its task has cost is known, as far as the service tells that at all."""

    def repeated(self, error: KlingError) -> None:
        """A call without a task is sent again, since this did nothing and passes."""

    def called(self, cost: "Cost | None") -> None:
        """A call without a task was answered."""

    # --------------------------------------------------------------------------------------- its files

    def saving(self, *, watermark: bool) -> None:
        """Its files are wanted on disk."""

    def saved(self, paths: Iterable[object], size: int, seconds: float) -> None:
        """Its files are whole."""

    def not_saved(self, error: BaseException, seconds: float | None) -> None:
        """A save has ended without whole files."""
