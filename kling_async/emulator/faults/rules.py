"""Rules that select a fault for a call, and counts of injected faults. No I/O."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs
from attrs.validators import and_, ge, instance_of, le, optional

from .fault import Fault
from .kinds import CALL_KINDS, SUITS, CallKind, FaultKind


@attrs.frozen(kw_only=True)
class Call:
    """A call to the emulator or, of kind "callback", from it.

    Attributes:
        kind: The kind of the call.
        number: Number of calls of this kind so far, including this one.
        endpoint: A path without "/v1/" and "videos/"; "" for files.
        method: The HTTP method.
        path: The request's path; for a callback, its URL.
        headers: As received, names in lower case.
        key: The requested task ids or external ids, separated by commas; "" for create, list and account.
        status: The status that a callback reports, else "".
        followed: Whether the task will have another callback.
    """

    kind: CallKind
    number: int = 0
    endpoint: str = ""
    method: str = "POST"
    path: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    key: str = ""
    status: str = ""
    followed: bool = False


_Check = Callable[[Any, Any, Any], Any]
_positive: Final[_Check] = and_(instance_of(int), ge(1))
_chance: Final[_Check] = and_(instance_of((int, float)), ge(0), le(1))

FaultSource = Callable[[Call], Fault | None]
Predicate = Callable[[Call], bool]


def _kinds(value: Any) -> frozenset[CallKind]:
    kinds: set[Any] = {value} if isinstance(value, str) else set(value)
    return frozenset(kinds)


def _numbers(value: int | Iterable[int] | None) -> frozenset[int] | None:
    if value is None:
        return None
    numbers = frozenset({value} if isinstance(value, int) else value)
    if not all(type(number) is int and number >= 1 for number in numbers):
        raise ValueError(f"calls are numbered from 1, so at cannot be {value!r}")
    return numbers


def _require_fault(fault: Any) -> None:
    """Raises TypeError for a value that is neither a fault nor a function that returns one."""
    if fault is Fault or getattr(fault, "__self__", None) is Fault:
        name = getattr(fault, "__name__", "Fault")
        made = "Fault.error(1303)" if fault is Fault else f"Fault.{name}(...)"
        raise TypeError(f"{name} is not called, so it is no fault yet: write {made}")
    if not isinstance(fault, Fault) and not callable(fault):
        wanted = f"Fault.error({fault})" if type(fault) is int else "Fault.error(1303)"
        raise TypeError(f"{fault!r} is no fault, nor a function that gives one: write {wanted}, for example")


def _fault_from(source: FaultSource, call: Call) -> Fault | None:
    fault: Any = source(call)
    if fault is None or isinstance(fault, Fault):
        return fault
    raise TypeError(f"a function of faults gives a Fault or None, not {fault!r}")


@attrs.define(kw_only=True, eq=False)
class Rule:
    """A fault and its conditions: the arguments of `Faults.add`.

    Attributes:
        matched: Calls of one of its kinds that passed `when`.
        injected: Faults injected by this rule.
    """

    source: Fault | FaultSource
    on: frozenset[CallKind]
    at: frozenset[int] | None = attrs.field(converter=_numbers)
    every: int | None = attrs.field(validator=optional(_positive))
    probability: float | None = attrs.field(validator=optional(_chance))
    seed: int = attrs.field(validator=instance_of(int))
    when: Predicate | None
    times: int | None = attrs.field(validator=optional(_positive))
    matched: int = 0
    injected: int = 0
    _rng: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Seeds the random generator."""
        self._rng = random.Random(f"fault {self.seed}")  # noqa: S311 - repeatable, nothing is secured by it

    def fault_for(self, call: Call) -> Fault | None:
        """Counts a call, and returns the fault to inject, if any."""
        if call.kind not in self.on or not (self.when is None or self.when(call)):
            return None
        self.matched += 1
        # Drawn for each call, so that a draw does not depend on the other conditions.
        drawn = self.probability is None or self._rng.random() < self.probability
        if not drawn or (self.times is not None and self.injected >= self.times):
            return None
        if (self.at is not None and self.matched not in self.at) or (self.every and self.matched % self.every):
            return None
        return self.source if isinstance(self.source, Fault) else _fault_from(self.source, call)

    def as_json(self) -> dict[str, Any]:
        """Returns the rule as plain JSON values; functions appear as "a function"."""
        return {
            "on": sorted(self.on),
            "at": None if self.at is None else sorted(self.at),
            "every": self.every,
            "probability": self.probability,
            "seed": self.seed,
            "when": None if self.when is None else "a function",
            "times": self.times,
            "fault": self.source.as_json() if isinstance(self.source, Fault) else "a function",
            "matched": self.matched,
            "injected": self.injected,
        }


_RULE_MEMBERS: Final = frozenset({"on", "at", "every", "probability", "seed", "times", "fault"})


class Faults:
    """The faults of an emulator: none until some are added.

    For example: one lost answer to a create, a fifth of all queries failing, and truncated first parts of files::

        emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
        emulator.faults.add(Fault.gateway(502), on="query", probability=0.2, seed=7)
        emulator.faults.add(Fault.truncated(), on="file", when=lambda call: "range" not in call.headers)

    Or a gateway's answer in place of the service's, a result without its id, a file host without ETags::

        emulator.faults.add(Fault.foreign({"detail": "not found"}, status=404), on="query", times=3)
        emulator.faults.add(Fault.reshaped(without=("/data/task_result/videos/0/id",)), on="query")
        emulator.faults.add(Fault.other_headers({"ETag": None}), on="file")

    Or, of the current generation, an answer about several tasks that lacks the first, or an unknown status::

        emulator.faults.add(Fault.reshaped(without=("/data/0",)), on="query", when=lambda call: "," in call.key)
        emulator.faults.add(Fault.reshaped({"/data/*/status": "queued"}), on="query")

    Attributes:
        injected: Injected faults, counted by kind of call and kind of fault:
            `emulator.faults.injected["create", "reset"]`.
        calls: Calls by kind, with and without faults.
        rules: The rules, in the order in which they were added.
        revisions: How many times a result file has changed, by path.
    """

    def __init__(self) -> None:
        self.injected: Counter[tuple[CallKind, FaultKind]] = Counter()
        self.calls: Counter[CallKind] = Counter()
        self.rules: list[Rule] = []
        self.revisions: Counter[str] = Counter()

    def add(
        self,
        fault: Fault | FaultSource,
        *,
        on: CallKind | Iterable[CallKind] | None = None,
        at: int | Iterable[int] | None = None,
        every: int | None = None,
        probability: float | None = None,
        seed: int = 0,
        when: Predicate | None = None,
        times: int | None = None,
    ) -> None:
        """Adds a fault for each call that meets all conditions; without conditions, for every call.

        A call has at most one fault, that of the first rule added. Each rule counts calls from when it is added:
        `at=1` is the next one.

        Args:
            fault: The fault; or a function that returns it, or None, for each call.
            on: Kinds of calls; None for all that the fault can happen to.
            at: Numbers of calls, among those that pass `on` and `when`.
            every: Every n-th of these calls.
            probability: The probability for each call, from 0 to 1.
            seed: Makes the draws reproducible.
            when: A predicate of the call.
            times: Injections at most.

        Raises:
            TypeError: If the fault is neither a `Fault` nor a function; for example `Fault.error`, not called.
            ValueError: If the fault cannot happen to such calls, or a condition is invalid.
        """
        _require_fault(fault)
        suited = SUITS[fault.kind] if isinstance(fault, Fault) else frozenset(CALL_KINDS)
        kinds = suited if on is None else _kinds(on)
        if not kinds or not kinds <= suited:
            raise ValueError(f"this can happen to {', '.join(sorted(suited))} only, not to {on!r}")
        try:
            rule = Rule(
                source=fault, on=kinds, at=at, every=every, probability=probability, seed=seed, when=when, times=times
            )
        except TypeError as error:
            raise ValueError(str(error.args[0])) from error
        self.rules.append(rule)

    def add_json(self, value: object) -> None:
        """Adds a rule from JSON: {"on": "create", "at": 1, "fault": {"kind": "reset"}}.

        Raises:
            ValueError: If it is invalid.
        """
        if not isinstance(value, dict) or "fault" not in value or not value.keys() <= _RULE_MEMBERS:
            raise ValueError(f'a rule is an object with a "fault" and some of {", ".join(sorted(_RULE_MEMBERS))}')
        try:
            self.add(Fault.from_json(value["fault"]), **{name: value[name] for name in value if name != "fault"})
        except TypeError as error:
            raise ValueError(str(error)) from error

    def clear(self) -> None:
        """Removes all rules; the counts remain, and so do changed files."""
        self.rules.clear()

    def fault_for(self, call: Call) -> Fault | None:
        """Counts a call, and returns the fault to inject, if any.

        Raises:
            TypeError: If a function returned something else than a fault.
            ValueError: If a function returned a fault that cannot happen to such a call.
        """
        self.calls[call.kind] += 1
        call = attrs.evolve(call, number=self.calls[call.kind])
        wanted = [(rule, fault) for rule in self.rules if (fault := rule.fault_for(call)) is not None]
        for rule, fault in wanted:
            if call.kind not in SUITS[fault.kind]:
                raise ValueError(f"{fault.kind} cannot happen to a call of kind {call.kind}")
            if fault.kind == "reordered" and not call.followed:
                continue
            rule.injected += 1
            self.injected[call.kind, fault.kind] += 1
            return fault
        return None

    def as_json(self) -> dict[str, Any]:
        """Returns rules and counts as plain JSON values."""
        return {
            "rules": [rule.as_json() for rule in self.rules],
            "injected": {f"{call} {fault}": count for (call, fault), count in self.injected.items()},
            "calls": dict(self.calls),
        }
