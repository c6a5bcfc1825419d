"""Traces and metrics of a client, with OpenTelemetry: `pip install 'kling-async[opentelemetry]'`.

```python
from kling_async.opentelemetry import Telemetry

async with KlingClient(on_event=Telemetry(), journal="clips.sqlite") as kling:
    ...
```

Each piece of work is a span, `generate_content kling-v2-6`, a child of the span in which it was submitted. Its own
children are its phases: `queue` until its first byte is sent, `create` until the service has its task, `generate` until
the task has ended, `download` until its files are complete. With a journal, work that another process continues is a
new span there, linked to the one that began it. An `on_event` of your own that forwards events to a `Telemetry` must be
an object that also forwards `trace_of`: the client calls it to store the trace context in the journal.

Attributes follow the semantic conventions where these define them (`gen_ai.*`, `error.type`); others begin with
`kling.`. Nothing of this is sent to the service or to file hosts: no header is added to any request. If aiohttp is
instrumented as well, by `AioHttpClientInstrumentor` or a session with a trace configuration, the service receives the
`traceparent` from that; file hosts receive only the client's own headers.
"""

import re
from collections.abc import Mapping
from typing import Final

import attrs
from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from kling_async.protocol import events

FINISHED: Final = 1024
"""Finished pieces of work that are remembered, so that later downloads become their children."""

_NAME: Final = "kling_async"
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_PHASES: Final = "kling.phase"

Attributes = Mapping[str, str | int]


@attrs.define
class _Work:
    """An unfinished piece of work.

    Attributes:
        span: of the whole work.
        common: low-cardinality attributes of its metrics.
        began: in seconds since 1970.
        last_event_at: time of the last event, in seconds since 1970.
        spent: elapsed seconds by the events' own durations, so that a clock change does not affect them.
        counted_from: value of `spent` from which the next event with a duration counts its seconds.
        phase: the current phase: its name, its span, its start, and `spent` at its start.
        saves: number of saves that wait for it, or download its files.
        took: seconds until its task ended; None before that.
    """

    span: Span
    common: dict[str, str]
    began: float
    last_event_at: float
    spent: float = 0.0
    counted_from: float = 0.0
    phase: tuple[str, Span, float, float] | None = None
    saves: int = 0
    took: float | None = None

    def advance(self, event: events.WorkEvent) -> None:
        """Adds the time up to an event: by its own duration if it has one, else by the clock."""
        seconds = event.seconds if isinstance(event, events.Sent | events.Accepted | events.Ended) else 0.0
        self.spent = self.counted_from + seconds if seconds else self.spent + max(0.0, event.at - self.last_event_at)
        if isinstance(event, events.Queued | events.Sent | events.Accepted | events.Attached | events.Ended):
            self.counted_from = self.spent
        self.last_event_at = event.at


class Telemetry:
    """An `on_event` that records spans and metrics. Several clients of a process may share one.

    Args:
        tracer_provider: default: the global one.
        meter_provider: default: the global one.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        self._works: dict[int, _Work] = {}
        self._finished: dict[int, tuple[Span, dict[str, str]]] = {}
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._whole = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "From the submission to the end of the task"
        )
        self._phase = meter.create_histogram("kling.phase.duration", "s", "Phases of a piece of work")
        self._polls = meter.create_histogram("kling.poll.duration", "s", "Polls of tasks")
        self._units = meter.create_counter("kling.paid.units", "{unit}", "Units of resource packs that were taken")
        self._money = meter.create_counter("kling.paid.amount", "{money}", "Money that was taken")
        self._throttled = meter.create_counter("kling.throttled", "{refusal}", "Creates that had to wait")
        self._doubts = meter.create_counter("kling.in_doubt", "{create}", "Creates whose answer was lost")
        self._bytes = meter.create_counter("kling.saved", "By", "Bytes of files that were saved")

    def trace_of(self, work: int) -> str | None:
        """Returns the `traceparent` of the span of a piece of work, for the journal."""
        found = self._works.get(work)
        context = found.span.get_span_context() if found is not None else None
        if context is None or not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def __call__(self, event: events.Event) -> None:
        """Records an event."""
        match event:
            case events.Polled():
                failed = {"error.type": event.error_type} if event.error_type else {}
                self._polls.record(event.seconds, {"kling.endpoint": event.endpoint, **failed})
            case events.Saved() | events.NotSaved():
                self._saved(event)
            case events.Paid():
                self._paid(event)
            case events.Failure():
                self._fails(event)
            case events.WorkEvent():
                self._moves(event)
            case _:
                pass

    # ---------------------------------------------------------------------------------------- events

    def _moves(self, event: events.WorkEvent) -> None:
        """Records an event that moves a piece of work forward."""
        if isinstance(event, events.Saving):
            if event.work in self._works:  # else its task has ended, and the download gets its span from `_finished`
                self._works[event.work].saves += 1
            return
        work = self._of(event)
        work.advance(event)
        match event:
            case events.Queued():
                self._enter(work, "queue", event.at)
            case events.Sent() if work.phase is not None and work.phase[0] == "create":
                self._note(work, "sent", {"kling.send": event.send}, event.at)
            case events.Sent():
                self._enter(work, "create", event.at)
            case events.Accepted() | events.Attached():
                work.span.set_attributes(_ids(event))
                self._enter(work, "generate", event.at)
            case events.Changed():
                self._note(work, event.status, {}, event.at)
            case _:
                pass

    def _fails(self, event: events.Failure) -> None:
        """Records a failure of a piece of work, or its end."""
        work = self._of(event)
        work.advance(event)
        match event:
            case events.Ended():
                self._ended(work, event)
            case events.Refused() | events.InDoubt(final=True):
                self._leave(work, event.at, event)
                work.common |= _fail(work.span, event)
                self._end(event.work, event.at)
            case events.Throttled(full=True):
                self._leave(work, event.at, event)
                self._enter(work, "queue", event.at)
            case _:
                self._note(work, event.name, {"error.type": event.error_type}, event.at)
        match event:
            case events.Throttled():
                self._throttled.add(1, _common(event))
            case events.InDoubt():
                self._doubts.add(1, {**_common(event), "kling.final": event.final})
            case _:
                pass

    def _ended(self, work: _Work, event: events.Ended) -> None:
        work.span.set_attributes(_ids(event))
        if event.cost is not None and event.cost.units is not None:
            work.span.set_attribute("kling.cost.units", float(event.cost.units))
        if event.cost is not None and event.cost.amount is not None:
            work.span.set_attribute("kling.cost.amount", float(event.cost.amount))
        failed = event if event.error_type else None
        self._leave(work, event.at, failed)
        if failed is not None:
            work.common |= _fail(work.span, failed)
        work.took = work.spent
        if not work.saves:
            self._end(event.work, event.at)

    def _saved(self, event: events.Saved | events.NotSaved) -> None:
        work = self._works.get(event.work)
        parent, common = (work.span, work.common) if work else self._finished.get(event.work, (None, _common(event)))
        if event.seconds is not None:
            began = event.at - event.seconds
            context = trace.set_span_in_context(parent) if parent is not None else None
            span = self._tracer.start_span("download", context, start_time=_nanoseconds(began))
            failed = {}
            if isinstance(event, events.Saved):
                span.set_attributes({"kling.files": len(event.paths), "kling.size": event.size})
                self._bytes.add(event.size, common)
            else:
                failed = _fail(span, event)
            span.end(_nanoseconds(event.at))
            self._phase.record(event.seconds, {**common, _PHASES: "download", **failed})
        if work is not None:
            work.saves -= 1
            if work.took is not None and not work.saves:
                self._end(event.work, event.at)

    def _paid(self, event: events.Paid) -> None:
        cost, common = event.cost, _common(event)
        if cost.units:
            self._units.add(float(cost.units), {**common, "kling.package_type": cost.package_type or "unknown"})
        if cost.amount:
            self._money.add(float(cost.amount), {**common, "kling.currency": cost.currency or "unknown"})

    # ----------------------------------------------------------------------------------------- spans

    def _of(self, event: events.WorkEvent) -> _Work:
        """Returns the work of an event; its first event starts the span."""
        work = self._works.get(event.work)
        if work is None:
            maker = _context_of(event.trace if isinstance(event, events.Attached | events.InDoubt) else None)
            common = _common(event)
            span = self._tracer.start_span(
                f"generate_content {_model(event)}".rstrip(),
                kind=SpanKind.CLIENT,
                attributes={**common, **_ids(event)},
                links=[Link(maker)] if maker is not None else None,
                start_time=_nanoseconds(event.at),
            )
            work = self._works[event.work] = _Work(span, common, event.at, event.at)
        return work

    def _enter(self, work: _Work, phase: str, at: float) -> None:
        self._leave(work, at)
        context = trace.set_span_in_context(work.span)
        work.phase = phase, self._tracer.start_span(phase, context, start_time=_nanoseconds(at)), at, work.spent

    def _leave(self, work: _Work, at: float, failure: events.Failure | None = None) -> None:
        """Ends the current phase of a piece of work."""
        if work.phase is None:
            return
        phase, span, began, spent = work.phase
        failed = _fail(span, failure) if failure is not None else {}
        span.end(_nanoseconds(max(at, began)))  # a clock may be set back
        self._phase.record(max(0.0, work.spent - spent), {**work.common, _PHASES: phase, **failed})
        work.phase = None

    def _end(self, number: int, at: float) -> None:
        work = self._works.pop(number)
        work.span.end(_nanoseconds(max(at, work.began)))
        self._whole.record(work.took if work.took is not None else work.spent, work.common)
        self._finished[number] = work.span, work.common
        if len(self._finished) > FINISHED:
            del self._finished[next(iter(self._finished))]

    @staticmethod
    def _note(work: _Work, name: str, attributes: Attributes, at: float) -> None:
        span = work.phase[1] if work.phase is not None else work.span
        span.add_event(name, dict(attributes), _nanoseconds(at))


def _fail(span: Span, failure: events.Failure) -> dict[str, str]:
    """Marks a span as failed; an end caused by the caller is not an error, unless a task may have been created."""
    if isinstance(failure, events.InDoubt) or failure.error_type not in {"ClientClosed", "CancelledError"}:
        span.set_status(Status(StatusCode.ERROR, failure.error or failure.error_type))
    failed = {"error.type": failure.error_type or failure.name}
    span.set_attributes(failed)
    return failed


def _context_of(trace_parent: str | None) -> SpanContext | None:
    found = _TRACEPARENT.fullmatch(trace_parent or "")
    if found is None:
        return None
    context = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16))
    )
    return context if context.is_valid else None


def _common(event: events.WorkEvent) -> dict[str, str]:
    model = {"gen_ai.request.model": name} if (name := _model(event)) else {}
    return {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "kling",
        **model,
        "kling.endpoint": event.endpoint,
    }


def _model(event: events.WorkEvent) -> str:
    """Returns the model, empty if unknown: `line` is the model or the endpoint, followed by the pack."""
    name, *_ = event.line.split(" (")
    return name if name != event.endpoint else ""


def _ids(event: events.WorkEvent) -> dict[str, str]:
    ids = {
        "gen_ai.response.id": event.task_id,
        "kling.external_task_id": event.external_task_id,
        "kling.key": event.key,
    }
    return {name: value for name, value in ids.items() if value is not None}


def _nanoseconds(at: float) -> int:
    return int(at * 1e9)
