"""How an account deviates from its configuration: settings that can change at any time. Pure."""

import hashlib
from typing import Any, Literal, get_args

import attrs
from attrs.validators import and_, deep_iterable, deep_mapping, ge, in_, instance_of, optional

from kling_async.emulator.service.errors import Refusal, invalid

from .task import PaidIn

LegacyIds = Literal["shown", "left out", "refused"]

_seconds = instance_of((int, float))
_count = and_(instance_of(int), ge(0))
_names = deep_iterable(instance_of(str), instance_of(list))


@attrs.frozen(kw_only=True)
class Occupation:
    """Slots that another user of the account takes.

    Attributes:
        slots: Slots taken, of each model.
        model: The model; None for all.
        since: Start, seconds since the epoch; None for no start.
        until: End, seconds since the epoch; None for no end.
    """

    slots: int = attrs.field(validator=_count)
    model: str | None = attrs.field(default=None, validator=optional(instance_of(str)))
    since: float | None = attrs.field(default=None, validator=optional(_seconds))
    until: float | None = attrs.field(default=None, validator=optional(_seconds))

    def holds(self, model: str, now: float) -> bool:
        """Whether it takes slots of a model at a time."""
        begun = self.since is None or self.since <= now
        return self.model in {None, model} and begun and (self.until is None or now < self.until)


@attrs.define(kw_only=True)
class Account:
    """Conditions of an emulated account: `emulator.account.limit = 5`.

    Attributes:
        limit: Actual slots of each model; None: the configured number (`concurrency`). When it is lowered, running
            tasks continue.
        limits: The same for single models, by name. The name of a model that another pack than the video pack pays for
            includes the pack, "kling-v3 (image)", as in `occupy` and `Ledger.peak`.
        visible_after: Seconds for which queries and lists do not show a new task. A second create with its external id
            is refused nevertheless, and the task occupies its slot.
        unique_ids: Whether a second create with an external id is refused. If not, it creates and charges for another
            task, which the external id finds from then on.
        list_seed: Shuffles the list; None: newest first. For a given seed, the order of two tasks never changes.
        clock_skew: Seconds by which the service's clock is ahead, or behind when negative: in the `Date` header,
            the check of tokens, and the times of tasks on the wire. The ledger's times are unaffected.
        occupied: Slots that other users of the account take.
        retired: Models that are no longer served, by endpoint as in `Entry.endpoint`: {"ENDPOINT": ["kling-v1"]}. "*"
            stands for the whole endpoint. Creates are refused with 404/1203; existing tasks remain.
        legacy_only: Whether all calls of the current generation are answered with 404 and an HTML page, as by the host
            that serves the legacy generation only.
        opened: Models of the current generation that are served although no page documents their paths.
        forgetful: Models of the current generation that accept an external id and discard it; "*" for all of them.
        mixed_words: Whether answers of the current generation contain legacy names, as on some paths of the service:
            `task_id` when a task is created, the status `succeed` later.
        legacy_ids: What a query of the current generation does with task ids or external ids of legacy tasks: the tasks
            are "shown", as observed at the service, or "left out", or the whole query is "refused".
        pays: The currency of tasks created from now on: "unit" of packs, or "USD" or "CNY" at list price.
    """

    limit: int | None = attrs.field(default=None, validator=optional(_count))
    limits: dict[str, int] = attrs.field(
        factory=dict, validator=deep_mapping(instance_of(str), _count, instance_of(dict))
    )
    visible_after: float = attrs.field(default=0.0, validator=[_seconds, ge(0)])
    unique_ids: bool = attrs.field(default=True, validator=instance_of(bool))
    list_seed: int | None = attrs.field(default=None, validator=optional(instance_of(int)))
    clock_skew: float = attrs.field(default=0.0, validator=_seconds)
    occupied: list[Occupation] = attrs.field(factory=list)
    retired: dict[str, list[str]] = attrs.field(factory=dict, validator=deep_mapping(instance_of(str), _names))

    legacy_only: bool = attrs.field(default=False, validator=instance_of(bool))
    opened: list[str] = attrs.field(factory=list, validator=_names)
    forgetful: list[str] = attrs.field(factory=list, validator=_names)
    mixed_words: bool = attrs.field(default=False, validator=instance_of(bool))
    legacy_ids: LegacyIds = attrs.field(default="shown", validator=in_(get_args(LegacyIds)))
    pays: PaidIn = attrs.field(default="unit", validator=in_(get_args(PaidIn)))

    def occupy(
        self, slots: int, *, model: str | None = None, since: float | None = None, until: float | None = None
    ) -> None:
        """Occupies slots on behalf of another user of the account; `account.occupied.clear()` releases all of them.

        Args:
            slots: Slots to take, of each model.
            model: The model; None for all.
            since: Start, seconds since the epoch on the emulator's clock; None for at once.
            until: End, the same; None for no end.
        """
        self.occupied.append(Occupation(slots=slots, model=model, since=since, until=until))

    def is_full(self, model: str, running: int, concurrency: int, now: float) -> bool:
        """Whether a model has fewer slots than are needed.

        Args:
            model: Its name.
            running: Slots of the account's tasks in flight and of the new one.
            concurrency: The configured limit.
            now: Seconds since the epoch.
        """
        others = sum(each.slots for each in self.occupied if each.holds(model, now))
        return running + others > self.limits.get(model, concurrency if self.limit is None else self.limit)

    def require_service(self, endpoint: str, model: object = "*") -> None:
        """Refuses a call to a retired endpoint or model, with the recorded messages.

        Args:
            endpoint: Its name.
            model: The requested model, "*" for any.

        Raises:
            Refusal: 1203.
        """
        if model in self.retired.get(endpoint, ()):
            raise Refusal(1203, "This API is no longer available" if model == "*" else "The model is discontinued")

    def require_model(self, model: str, *, is_documented: bool) -> None:
        """Refuses a model of the current generation that is not served.

        Raises:
            Refusal: 1201.
        """
        if not is_documented and model not in self.opened:
            raise invalid("model is not supported")

    def forgets(self, model: str) -> bool:
        """Whether a model of the current generation discards external ids."""
        return bool({model, "*"} & set(self.forgetful))

    def shows(self, created_at: float, now: float) -> bool:
        """Whether queries and lists show a task yet."""
        return self.visible_after <= 0 or now >= created_at + self.visible_after

    def rank(self, task_id: str) -> bytes:
        """Returns the sort key of a task in a shuffled list."""
        return hashlib.blake2b(f"{self.list_seed} {task_id}".encode(), digest_size=8).digest()

    def change(self, changes: object) -> None:
        """Applies settings from a JSON object, all or none; `occupied` is a list of objects like `Occupation`.

        Raises:
            ValueError: If a name or a value is invalid.
        """
        names = {each.name for each in attrs.fields(type(self))}
        if not isinstance(changes, dict) or not changes.keys() <= names:
            raise ValueError(f"settings are an object with some of {', '.join(sorted(names))}")
        try:
            if "occupied" in changes:
                changes = changes | {"occupied": [Occupation(**each) for each in changes["occupied"]]}
            changed = attrs.evolve(self, **changes)
        except TypeError as error:
            raise ValueError(str(error.args[0])) from error
        for name in changes:
            setattr(self, name, getattr(changed, name))

    def as_json(self) -> dict[str, Any]:
        """Returns the settings as plain JSON values."""
        return attrs.asdict(self)
