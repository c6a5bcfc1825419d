"""Events as log records: their text and attributes."""

from decimal import Decimal

import attrs

from kling_async.protocol import events
from kling_async.protocol.cost import Cost


def name(event: events.Event) -> str:
    """Returns the `kling_event` of an event's record; failures that are retried have names of their own."""
    match event:
        case events.Polled(error_type=str(kind)) if kind not in {"", "TimeoutError"}:
            return "poll_failed" if event.page is None else "page_failed"
        case events.SendFailed() | events.InDoubt(final=False) | events.Throttled(full=False):
            return "create_failed"
        case _:
            return event.name


def text(event: events.Event, reference: str | None = None) -> str:
    """Returns the text of an event's record, which its error follows, if there is one.

    Args:
        event: the event.
        reference: by which its task can be found, if the event does not contain that.
    """
    match event:
        case events.Polled(page=int(page)):
            return f"page {page} of {event.endpoint}"
        case events.Polled(references=(first, *_)):
            return f"poll of {first}"
        case events.Failure() if name(event) == "create_failed":
            return f"still creating {reference or f'a task of {event.endpoint}'}"
        case events.WorkEvent():
            return f"{_subject(event)}: {_happened(event)}"
        case _:
            return event.name


def _subject(event: events.WorkEvent) -> str:
    """Names the work by its task's reference, its key or external id, or its endpoint."""
    return event.reference or f"{event.endpoint} {event.key or event.external_task_id or ''}".rstrip()


def attributes(event: events.Event) -> dict[str, object]:
    """Returns the attributes of an event's record except `kling_event`: those that are not empty, each prefixed."""
    found: dict[str, object] = {}
    for field in attrs.fields(type(event)):
        value = getattr(event, field.name)
        if isinstance(value, Cost):
            found |= {f"kling_{each.name}": getattr(value, each.name) for each in attrs.fields(Cost)}
        else:
            found[f"kling_{field.name}"] = value
    match event:
        case events.WorkEvent():
            found["kling_reference"] = event.reference
        case events.Polled(references=(first, *_)):
            found["kling_reference"] = first
        case _:
            pass
    return {name: value for name, value in found.items() if value not in (None, "", ())}


def _happened(event: events.WorkEvent) -> str:
    match event:
        case events.Queued():
            return f"waits for {event.slots} of the slots of {event.line}"
        case events.Sent():
            return f"sent (send {event.send})"
        case events.Accepted():
            return "found" if event.found else f"accepted after {event.seconds:.3f} s"
        case events.Changed():
            return event.status
        case events.Ended(status=str(status)):
            return f"{status} after {event.seconds:.1f} s"
        case events.Paid():
            return f"took {_amount(event.cost)}"
        case events.Saved():
            return f"saved {event.size} bytes in {event.seconds:.3f} s"
        case events.InDoubt():
            return f"in doubt: {event.error or event.error_type}"
        case events.Failure():
            return f"{event.name.replace('_', ' ')}: {event.error or event.error_type}"
        case _:
            return event.name


def _amount(cost: Cost) -> str:
    units = [] if cost.units is None else [f"{_plain(cost.units)} units"]
    money = [] if cost.amount is None else [f"{_plain(cost.amount)} {cost.currency or 'of money'}"]
    return " and ".join([*units, *money])


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
