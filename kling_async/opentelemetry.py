"""Traces and metrics of a client, with OpenTelemetry: `pip install 'kling-async[opentelemetry]'`.

```python
from kling_async.opentelemetry import Telemetry

async with KlingClient(on_event=Telemetry(), journal="clips.sqlite") as kling:
    ...
```

Each piece of work is a span, `generate_content kling-v2-6`, under the span in which it was submitted. Its children are
what it went through: `queue` until its first byte goes out, `create` until the service has its task, `generate` until
that has ended, `download` until its files are whole. With a journal, what another process goes on with is a span of its
own there, with a link to the one that began it. A listener of your own that passes events on to a `Telemetry` must be
an object which has the `trace_of` of that, too: the client asks for it what the journal keeps.

Attributes are those of the semantic conventions where these have them (`gen_ai.*`, `error.type`), else they begin with
`kling.`. Nothing of this is sent to the service or to file hosts: no header is added to any request. Where aiohttp is
instrumented besides, by `AioHttpClientInstrumentor` or a session with a trace configuration, the service gets the
`traceparent` of that, and file hosts do not: they get no headers but the client's own.
"""

import re
from collections.abc import Mapping
from typing import Final

import attrs
from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from kling_async.protocol import events

FINISHED: Final = 1024
"""Finished pieces of work whose later downloads still become their children."""

_NAME: Final = "kling_async"
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_PHASES: Final = "kling.phase"

Attributes = Mapping[str, str | int]


@attrs.define
class _Work:
    """A piece of work on its way.

    Attributes:
        span: of all of it.
        common: attributes of its metrics, of which there are few values.
        began: when, in seconds since 1970.
        heard: when the last event came, in seconds since 1970.
        spent: seconds that it has taken, by the events: a clock that is set does not change them.
        told: `spent` at the event from which the next one that tells seconds counts them.
        phase: what it goes through now, since when, and `spent` at that time.
        saves: that wait for it, or fetch its files.
        took: seconds until its task ended; None before that.
    """

    span: Span
    common: dict[str, str]
    began: float
    heard: float
    spent: float = 0.0
    told: float = 0.0
    phase: tuple[str, Span, float, float] | None = None
    saves: int = 0
    took: float | None = None

    def hears(self, event: events.WorkEvent) -> None:
        """Counts the time until an event: the seconds that it tells, else about those that the clock shows."""
        told = event.seconds if isinstance(event, events.Sent | events.Accepted | events.Ended) else 0.0
        self.spent = self.told + told if told else self.spent + max(0.0, event.at - self.heard)
        if isinstance(event, events.Queued | events.Sent | events.Accepted | events.Attached | events.Ended):
            self.told = self.spent  # from here on the next one counts
        self.heard = event.at


class Telemetry:
    """An `on_event` that makes spans and metrics. Several clients of a process may share one.

    Args:
        tracer_provider: else the global one.
        meter_provider: else the global one.
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
        self._phase = meter.create_histogram("kling.phase.duration", "s", "What a piece of work goes through")
        self._polls = meter.create_histogram("kling.poll.duration", "s", "Questions about tasks")
        self._units = meter.create_counter("kling.paid.units", "{unit}", "Units of resource packs that were taken")
        self._money = meter.create_counter("kling.paid.amount", "{money}", "Money that was taken")
        self._throttled = meter.create_counter("kling.throttled", "{refusal}", "Creates that had to wait")
        self._doubts = meter.create_counter("kling.in_doubt", "{create}", "Creates whose answer was lost")
        self._bytes = meter.create_counter("kling.saved", "By", "Bytes of files that were saved")

    def trace_of(self, work: int) -> str | None:
        """What the journal keeps with a piece of work: the `traceparent` of its span."""
        found = self._works.get(work)
        context = found.span.get_span_context() if found is not None else None
        if context is None or not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def __call__(self, event: events.Event) -> None:
        """Takes what has happened."""
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

    # ------------------------------------------------------------------------------------ on its way

    def _moves(self, event: events.WorkEvent) -> None:
        """Where a piece of work comes to."""
        if isinstance(event, events.Saving):
            if event.work in self._works:  # else it has ended, and its download comes behind
                self._works[event.work].saves += 1
            return
        work = self._of(event)
        work.hears(event)
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
        """What goes wrong with a piece of work, or ends it."""
        work = self._of(event)
        work.hears(event)
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
        """Its work, which begins with what is heard of it first."""
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
        """Ends what it goes through."""
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
    """Says what has gone wrong; an end that the caller wanted is no error, unless something may have been made."""
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
    """Its model, empty if it is not known: a line is called after that, or after its endpoint, with a pack behind."""
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
