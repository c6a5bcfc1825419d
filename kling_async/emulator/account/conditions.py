"""How an account behaves when it is not as one was told: settings, open to change at any time. Pure."""

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
    """Slots that somebody else's tasks take.

    Attributes:
        slots: How many, of each model.
        model: Of which one; None for all.
        since: From when, seconds since the epoch; None for always.
        until: Until when; None for ever.
    """

    slots: int = attrs.field(validator=_count)
    model: str | None = attrs.field(default=None, validator=optional(instance_of(str)))
    since: float | None = attrs.field(default=None, validator=optional(_seconds))
    until: float | None = attrs.field(default=None, validator=optional(_seconds))

    def holds(self, model: str, now: float) -> bool:
        """Tell whether it takes slots of a model at a time."""
        begun = self.since is None or self.since <= now
        return self.model in {None, model} and begun and (self.until is None or now < self.until)


@attrs.define(kw_only=True)
class Account:
    """Conditions of an emulated account: `emulator.account.limit = 5`.

    Attributes:
        limit: Tasks that each model really may have in flight; None: as many as it was told (`concurrency`). When it
            is lowered, tasks that run go on.
        limits: The same for single models, by name. A model of another pack than that of videos is called with it, as
            "kling-v3 (image)", and so it is in `occupy` and in `Ledger.peak`.
        visible_after: Seconds for which query and list do not know a new task. A second create with its external id
            is refused all the same, and it occupies its slot.
        unique_ids: Whether a second create with an external id is refused. If not, it makes and charges for another
            task, which is what the external id finds from then on.
        list_seed: Shuffles the list; None: newest first. With one seed, the order of two tasks is always the same.
        clock_skew: Seconds by which the service's clock is ahead, or behind when negative: in the `Date` header,
            the check of tokens, and the times of tasks on the wire. The ledger's times know nothing of it.
        occupied: Slots that somebody else takes.
        retired: Models that are no longer served, by endpoint as in `Entry.endpoint`: {"ENDPOINT": ["kling-v1"]}. "*"
            among them is the whole endpoint. Creates are refused with 404/1203; what there is stays.
        legacy_only: Whether all of the current generation is answered with 404 and a page in HTML, as the host that
            serves the legacy generation only does.
        opened: Models of the current generation that are served although no page documents their paths.
        forgetful: Models of the current generation that take an external id, and forget it: "*" for all of them.
        mixed_words: Whether answers of the current generation have legacy words in them, as those of some paths of the
            service that are in between: `task_id` when a task is created, the status `succeed` later.
        legacy_ids: What becomes of ids of legacy tasks, theirs or the caller's, where the current generation is asked:
            such tasks are "shown", as they were seen to be, or "left out", or the whole question is "refused".
        pays: What tasks are paid in from now on: "unit" of packs, or "USD" or "CNY" at list price.
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
        """Let somebody else on the account take slots; `account.occupied.clear()` gives all of them back.

        Args:
            slots: How many, of each model.
            model: Of which one; None for all.
            since: From when, seconds since the epoch on the emulator's clock; None for at once.
            until: Until when; None for ever.
        """
        self.occupied.append(Occupation(slots=slots, model=model, since=since, until=until))

    def is_full(self, model: str, running: int, told: int, now: float) -> bool:
        """Tell whether a model has fewer slots than are needed.

        Args:
            model: Its name.
            running: Slots of our own tasks in flight, and of one more.
            told: The limit that the account was told.
            now: Seconds since the epoch.
        """
        others = sum(each.slots for each in self.occupied if each.holds(model, now))
        return running + others > self.limits.get(model, told if self.limit is None else self.limit)

    def require_service(self, endpoint: str, model: object = "*") -> None:
        """Refuse a call of what is retired, worded as recorded.

        Args:
            endpoint: Its name.
            model: The model that is asked for, "*" for any.

        Raises:
            Refusal: 1203.
        """
        if model in self.retired.get(endpoint, ()):
            raise Refusal(1203, "This API is no longer available" if model == "*" else "The model is discontinued")

    def require_model(self, model: str, *, is_documented: bool) -> None:
        """Refuse a model of the current generation that is not served.

        Raises:
            Refusal: 1201.
        """
        if not is_documented and model not in self.opened:
            raise invalid("model is not supported")

    def forgets(self, model: str) -> bool:
        """Tell whether a model of the current generation forgets external ids."""
        return bool({model, "*"} & set(self.forgetful))

    def shows(self, created_at: float, now: float) -> bool:
        """Tell whether query and list know a task already."""
        return self.visible_after <= 0 or now >= created_at + self.visible_after

    def rank(self, task_id: str) -> bytes:
        """Give the place of a task in a shuffled list."""
        return hashlib.blake2b(f"{self.list_seed} {task_id}".encode(), digest_size=8).digest()

    def change(self, changes: object) -> None:
        """Set what an object of JSON names, all of it or nothing; others' slots are objects with its four members.

        Raises:
            ValueError: If it makes no sense.
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
        """Give the settings as plain JSON values."""
        return attrs.asdict(self)
