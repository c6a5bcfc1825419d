"""Events of a piece of work. Without a listener, they do nothing except for warnings."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from kling_async.protocol.create_recovery import Create
from kling_async.protocol.errors import InDoubt, KlingError
from kling_async.protocol.tasks import Task

if TYPE_CHECKING:  # slow to import, and needed only if there is a listener
    from kling_async.protocol.cost import Cost
    from kling_async.protocol.event_of import Ids


class Kept(Protocol):
    """A journal's entry of the work of a followed task."""

    @property
    def key(self) -> str | None:
        """The key that the caller gave to the work."""
        ...

    @property
    def trace(self) -> str | None:
        """The trace that the creating client stored."""
        ...

    @property
    def is_counted(self) -> bool:
        """Whether a client has emitted its cost."""
        ...


class ClientEvents(Protocol):
    """What the events of a piece of work need from those of its client."""

    def emitting(self, ids: "Ids") -> "WorkEvents":
        """Returns events of the same work that are emitted."""
        ...


class WorkEvents:
    """The events of one piece of work, of which only warnings are emitted; also the `Listener` of its task.

    Args:
        events: of the client.
        ids: of the work.
    """

    __slots__ = ("_events", "ids", "is_counted", "trace")

    has_listener = False
    """Whether events are emitted, to a listener or to the log."""

    def __init__(self, events: ClientEvents, ids: "Ids") -> None:
        self._events = events
        self.ids = ids
        self.is_counted = False
        """Whether another client has emitted the cost of its task."""
        self.trace: str | None = None
        """The trace to store in the journal, or the one stored there."""

    # -------------------------------------------------------------------------------------- its create

    def queued(self, slots: int) -> None:
        """The create waits for slots."""

    def sent(self) -> None:
        """The first byte of the create is about to be sent."""

    def answered(self, create: Create, outcome: Task | KlingError) -> None:
        """A send has ended, and the create has decided what follows. A failure is logged in any case."""
        if isinstance(outcome, KlingError):
            self._events.emitting(self.ids).answered(create, outcome)

    def looked_up(self) -> None:
        """A look-up was answered; the next event results from it."""

    def left_in_doubt(self) -> None:
        """An earlier process may have sent the create, which is looked up now."""

    def not_created(self, error: BaseException, *, undecided: bool) -> None:
        """The create has failed; `undecided` if a task may exist. A doubt is logged in any case."""
        if isinstance(error, InDoubt):
            self._events.emitting(self.ids).not_created(error, undecided=undecided)

    def accepted(self, task: Task) -> None:
        """The service has accepted the task."""

    # ---------------------------------------------------------------------------------------- its task

    def attached(self) -> None:
        """An existing task is followed."""

    def changed(self, task: Task, /) -> None:
        """The task has a new status."""

    def ended(self, end: Task | KlingError) -> None:
        """The task has ended, or is no longer followed."""

    def paid(self, end: Task | KlingError) -> None:
        """The cost of the task is known, if the service reports it at all."""

    def repeated(self, error: KlingError) -> None:
        """A call without a task is repeated after a transient error without effect."""

    def called(self, cost: "Cost | None") -> None:
        """A call without a task was answered."""

    # --------------------------------------------------------------------------------------- its files

    def saving(self, *, watermark: bool) -> None:
        """A save of its files begins."""

    def saved(self, paths: Iterable[object], size: int, seconds: float) -> None:
        """Its files are complete."""

    def not_saved(self, error: BaseException, seconds: float | None) -> None:
        """A save has failed."""
