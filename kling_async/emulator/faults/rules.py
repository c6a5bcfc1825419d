"""Which fault happens to which call: rules, and the count of what they did. No I/O here."""

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
    """A call to the emulator or, of kind "callback", by it.

    Attributes:
        kind: What it is for.
        number: How many calls of this kind there were, with this one.
        endpoint: A path without "/v1/" and "videos/"; "" with file.
        method: Of HTTP.
        path: The same; of a callback, its URL.
        headers: As received, in small letters.
        key: Task id or external id that is asked for, with a comma between several; "" with create, list and account.
        status: What a callback tells, else "".
        followed: Whether its task will have another callback.
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


def _refuse_what_is_none(fault: Any) -> None:
    """Raise TypeError for what is neither a fault nor a function that gives one."""
    if fault is Fault or getattr(fault, "__self__", None) is Fault:
        name = getattr(fault, "__name__", "Fault")
        made = "Fault.error(1303)" if fault is Fault else f"Fault.{name}(...)"
        raise TypeError(f"{name} is not called, so it is no fault yet: write {made}")
    if not isinstance(fault, Fault) and not callable(fault):
        wanted = f"Fault.error({fault})" if type(fault) is int else "Fault.error(1303)"
        raise TypeError(f"{fault!r} is no fault, nor a function that gives one: write {wanted}, for example")


def _given(source: FaultSource, call: Call) -> Fault | None:
    fault: Any = source(call)
    if fault is None or isinstance(fault, Fault):
        return fault
    raise TypeError(f"a function of faults gives a Fault or None, not {fault!r}")


@attrs.define(kw_only=True, eq=False)
class Rule:
    """A fault and when it happens; the arguments of `Faults.add`.

    Attributes:
        matched: Calls that were of one of the kinds and passed `when`.
        injected: Faults that it brought about.
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
        """Prepare the draws."""
        self._rng = random.Random(f"fault {self.seed}")  # noqa: S311 - repeatable, nothing is secured by it

    def fault_for(self, call: Call) -> Fault | None:
        """Count a call, and give the fault that shall happen to it, if any."""
        if call.kind not in self.on or not (self.when is None or self.when(call)):
            return None
        self.matched += 1
        # Drawn for each call, so that a draw does not depend on what else is asked for.
        drawn = self.probability is None or self._rng.random() < self.probability
        if not drawn or (self.times is not None and self.injected >= self.times):
            return None
        if (self.at is not None and self.matched not in self.at) or (self.every and self.matched % self.every):
            return None
        return self.source if isinstance(self.source, Fault) else _given(self.source, call)

    def as_json(self) -> dict[str, Any]:
        """Give the rule in plain JSON values; what is a function is only named."""
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

    For example: an answer to create that is lost once, queries of which a fifth fails, and each first part of a file::

        emulator.faults.add(Fault.reset(after_effect=True), on="create", at=1)
        emulator.faults.add(Fault.gateway(502), on="query", probability=0.2, seed=7)
        emulator.faults.add(Fault.truncated(), on="file", when=lambda call: "range" not in call.headers)

    And a gateway's words in place of those of the service, a result without its id, a host without ETags::

        emulator.faults.add(Fault.foreign({"detail": "not found"}, status=404), on="query", times=3)
        emulator.faults.add(Fault.reshaped(without=("/data/task_result/videos/0/id",)), on="query")
        emulator.faults.add(Fault.other_headers({"ETag": None}), on="file")

    And, of the current generation, an answer about many tasks that lacks the first one, or has a word nobody knows::

        emulator.faults.add(Fault.reshaped(without=("/data/0",)), on="query", when=lambda call: "," in call.key)
        emulator.faults.add(Fault.reshaped({"/data/*/status": "queued"}), on="query")

    Attributes:
        injected: What has happened, counted by kind of call and kind of fault:
            `emulator.faults.injected["create", "reset"]`.
        calls: Calls by kind, with and without faults.
        rules: In the order in which they were added.
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
        """Let a fault happen: to each call that meets all of the conditions, hence without conditions to every one.

        A call has one fault at most, that of the rule which was added first. Calls are counted by each rule from
        when it is added: `at=1` is the next one.

        Args:
            fault: What happens; or a function that says so, call by call.
            on: Which kinds of calls; None for all that the fault can happen to.
            at: The numbers of calls, among those that `on` and `when` let through.
            every: Each so many-th of these.
            probability: How likely it is, from 0 to 1.
            seed: Makes the draws repeat.
            when: Which calls, by anything that a `Call` tells.
            times: How often at most.

        Raises:
            TypeError: If the fault is none, nor a function; `Fault.error` is none until it is called.
            ValueError: If the fault cannot happen to such calls, or a condition makes no sense.
        """
        _refuse_what_is_none(fault)
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
        """Do the same with the arguments as JSON: {"on": "create", "at": 1, "fault": {"kind": "reset"}}.

        Raises:
            ValueError: If it makes no sense.
        """
        if not isinstance(value, dict) or "fault" not in value or not value.keys() <= _RULE_MEMBERS:
            raise ValueError(f'a rule is an object with a "fault" and some of {", ".join(sorted(_RULE_MEMBERS))}')
        try:
            self.add(Fault.from_json(value["fault"]), **{name: value[name] for name in value if name != "fault"})
        except TypeError as error:
            raise ValueError(str(error)) from error

    def clear(self) -> None:
        """Let nothing go wrong from now on; the counts stay, and so do files that have changed."""
        self.rules.clear()

    def fault_for(self, call: Call) -> Fault | None:
        """Count a call, and give the fault that happens to it, if any.

        Raises:
            TypeError: If a function gave something else than a fault.
            ValueError: If a function gave a fault that cannot happen to such a call.
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
        """Give rules and counts as plain JSON values."""
        return {
            "rules": [rule.as_json() for rule in self.rules],
            "injected": {f"{call} {fault}": count for (call, fault), count in self.injected.items()},
            "calls": dict(self.calls),
        }
