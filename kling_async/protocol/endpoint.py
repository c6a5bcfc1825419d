"""What is known of an endpoint: where it is, what it takes, what is refused, what it costs, what comes out."""

import enum
import functools
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from kling_async.protocol.errors import Problem, RetiredModelWarning
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.result_kind import ResultKind

if TYPE_CHECKING:  # maps, rules and decimals take time to import, and are needed with the first request
    from decimal import Decimal

    from kling_async.protocol.capability import CapabilityMap
    from kling_async.protocol.cost import Cost
    from kling_async.protocol.retry import Retry
    from kling_async.protocol.rules.files import Facts


class Request:
    """What a client submits to make a task: the record of an endpoint."""

    __slots__ = ()


# Of the record: pyright cannot see that fields with converters are what a rule's protocol asks for.
Rule = Callable[[Any], Iterable[Problem]]
FileRule = Callable[[Any, "Facts"], Iterable[Problem]]


class Generation(enum.Enum):
    """Which of the service's two generations of paths an endpoint belongs to; both are in use.

    In the current one the model is a segment of the path, and all tasks share the path they are asked for at.
    """

    LEGACY = "legacy"
    CURRENT = "current"


class Pool(enum.Enum):
    """Which resource pack a task draws from, and with it whose slots it takes."""

    VIDEO = "video"
    IMAGE = "image"
    TRY_ON = "try-on"


USD_PER_UNIT: Final = {Pool.VIDEO: "0.14", Pool.IMAGE: "0.0035"}
"""List price of one unit (price tables of 2026-09); that of try-on is not known."""

SHOWN_WITHIN: Final = 60.0
"""Seconds after a create in which the current generation may leave a task out of its answers; nothing promises less."""

IDS_AT_ONCE: Final = 20
"""Ids in one question of the current generation (21 are refused: "cannot exceed 20 in total")."""

LEGACY_PREFIX: Final = "/v1/"


def name_of(path: str) -> str:
    """The first half of a reference: the path without `/v1/` and `videos/`."""
    return path.removeprefix(LEGACY_PREFIX).removeprefix("videos/")


def no_price(_request: object) -> None:
    """Where no price is published."""


def one_slot(_request: object) -> int:
    """A task of a video takes one."""
    return 1


def _about(rule: FileRule, facts: "Facts") -> Rule:
    return lambda request: rule(request, facts)


@attrs.frozen(kw_only=True, eq=False)
class Described:
    """What is known of any endpoint: what it takes, what is refused, what it costs.

    Attributes:
        path: where it is.
        record: the class of its requests.
        name: the path without `/v1/` and `videos/`: first half of a reference (`image2video` in `image2video:<id>`).
        rules: find what is wrong with a request.
        picture_rules: find what is wrong with its pictures, as far as they are known.
        sound_rules: find what is wrong with its sounds, likewise.
        capabilities: what each model can do; None where no map is known.
        units: what a request costs, in units of the pack; None where no price is known.
        pool: the pack that it draws from.
        generation: of the service's paths. In the current one `path` is what the paths of all models begin with, and
            all endpoints have the same name.
    """

    path: str
    record: type[Any]
    name: str = attrs.field(default=attrs.Factory(lambda self: name_of(self.path), takes_self=True))
    rules: tuple[Rule, ...] = ()
    picture_rules: tuple[FileRule, ...] = ()
    sound_rules: tuple[FileRule, ...] = ()
    capabilities: "CapabilityMap[Any] | None" = None
    units: "Callable[[Any], Decimal | None]" = no_price
    pool: Pool = Pool.VIDEO
    generation: Generation = Generation.LEGACY

    def path_of(self, request: Any) -> str:
        """Where a request is sent to; in the current generation it knows its path itself."""
        path: str = getattr(request, "sent_to", self.path)
        return path

    def problems(self, request: object, facts: "Facts", now: datetime | None = None) -> list[Problem]:
        """Finds everything that is wrong with a request; never raises.

        Args:
            request: with whatever values it was given.
            facts: what is known of its local files, by field path as in `files_of`.
            now: by the service's clock; None where the age of earlier results is not looked at.

        Returns:
            The problems, each with its field; those with `by_map` rest on the capability map alone, those with
            `only_warns` refuse nothing.
        """
        from kling_async.protocol.rules.earlier_results import ages, stand_ins  # noqa: PLC0415  (rules take time)

        problems: list[Problem] = []
        file_rules = (_about(rule, facts) for rule in (*self.picture_rules, *self.sound_rules))
        of_time = () if now is None else (functools.partial(ages, now=now),)
        for rule in (*file_rules, *self.rules, stand_ins, *of_time, self._retired):
            try:
                problems += rule(request)
            except Exception as error:  # noqa: BLE001  (whatever a value does when it is looked at)
                what = f"holds a value that cannot be looked at: it raises {type(error).__name__[:60]}"
                problems.append(Problem("request", what))
        return problems

    def _retired(self, request: object) -> Iterator[Problem]:
        model_name = getattr(request, "model_name", None)
        retired = (
            self.capabilities.retired_model(model_name) if self.capabilities and isinstance(model_name, str) else None
        )
        if retired is not None:
            sent = f"{retired}. It is sent all the same, and probably refused{self._way_on}"
            yield Problem("model_name", sent, only_warns=True, warning=RetiredModelWarning)

    def retired_model(self, model_name: str) -> str | None:
        """Says that a model was retired, and what to do; None if nothing is known of that."""
        retired = self.capabilities.retired_model(model_name) if self.capabilities else None
        return retired and retired + self._way_on

    @property
    def _way_on(self) -> str:
        """What to do about a retired model in a program; pictures are not made by the current generation."""
        how = "; kling_async.current.from_legacy(request, model='kling-3.0') asks a newer one for the same"
        return how if self.pool is Pool.VIDEO else ""

    def estimate(self, request: object) -> Estimate:
        """What a request costs; what the service would refuse has no price."""
        return self.priced(self.units(request))

    def priced(self, units: "Decimal | None") -> Estimate:
        """An amount of units, also in dollars at list price."""
        per_unit = USD_PER_UNIT.get(self.pool)
        if units is None or per_unit is None:
            return Estimate(units=units, usd=None)
        return Estimate(units=units, usd=units * type(units)(per_unit))

    def usd_of(self, cost: "Cost") -> "Decimal | None":
        """What was taken, in dollars: units at list price, money as it was paid; None where that is not known.

        Money of another currency, or of none that was named, is no dollars.
        """
        if cost.amount and cost.currency != "USD":
            return None
        if cost.units is None:
            return cost.amount
        usd = self.priced(cost.units).usd
        if cost.package_type not in {None, self.pool.value}:  # the list of tasks has those of all packs
            per_unit = next((USD_PER_UNIT.get(pool) for pool in Pool if pool.value == cost.package_type), None)
            usd = None if per_unit is None else cost.units * type(cost.units)(per_unit)
        return usd if usd is None or not cost.amount else usd + cost.amount


@attrs.frozen(kw_only=True, eq=False)
class Endpoint(Described):
    """One endpoint that makes tasks: create with POST, query with GET `path/{id}`, list with GET `path`.

    Attributes:
        typical_seconds: how long such a task takes, as published; of None, a task of unknown parameters.
        result: what its tasks make.
        is_raw: whether nothing but the path is known, not even that it makes tasks.
        lists: whether it has a list of the account's tasks.
        page_maximum: most tasks that a page of the list can have.
        finds_by_external_id: whether a task is found by the caller's own id: else a lost create is never sent again.
        slots_of: how many slots a request takes, which is also how many results it has.
    """

    typical_seconds: Callable[[Any], float]
    result: ResultKind = ResultKind.VIDEO
    is_raw: bool = False
    lists: bool = True
    page_maximum: int = 500
    finds_by_external_id: bool = False
    slots_of: Callable[[Any], int] = one_slot

    def priced(self, units: "Decimal | None") -> Estimate:
        """An amount of units, also in dollars at list price."""
        return Estimate(units=units, usd=None) if self.is_raw else super().priced(units)  # whose pack, is not known

    def patient(self, retry: "Retry") -> "Retry":
        """How a create in doubt is looked up: nothing says how soon the current generation shows a task."""
        if self.generation is Generation.LEGACY:
            return retry
        return attrs.evolve(retry, settle=max(retry.settle, SHOWN_WITHIN))

    @property
    def ids_at_once(self) -> int:
        """Tasks that one question can be about."""
        return IDS_AT_ONCE if self.generation is Generation.CURRENT else 1

    @property
    def pack(self) -> str:
        """What its tasks are paid from; of a path without a record only that all of its tasks share it is known."""
        return self.name if self.is_raw else self.pool.value

    def line_of(self, request: Request) -> str:
        """What a request stands in line for: slots are counted per model and pack."""
        model_name = getattr(request, "model_name", None) or self.name
        return model_name if self.pool is Pool.VIDEO else f"{model_name} ({self.pool.value})"

    def kind_of(self, request: Request) -> str:
        """Tasks of one kind take about equally long: `image2video/kling-v2-6/std/5`."""
        duration: Any = getattr(request, "duration", None)
        if self.generation is Generation.CURRENT:
            parts = [self.name + self.path_of(request), str(getattr(request, "resolution", None) or "720p")]
        else:
            mode = getattr(request, "mode", None) or "std"
            parts = [self.name, getattr(request, "model_name", None) or "", mode if hasattr(request, "mode") else ""]
        seconds = f"{float(duration):g}" if isinstance(duration, int | float) else ""
        return "/".join([*parts, seconds]).rstrip("/")
