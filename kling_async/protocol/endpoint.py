"""Descriptions of endpoints: their paths, requests, rules, prices and results."""

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
    """A request that makes a task: the base class of the endpoints' records."""

    __slots__ = ()


# `Any` for the record: pyright does not see that fields with converters satisfy the protocol of a rule.
Rule = Callable[[Any], Iterable[Problem]]
FileRule = Callable[[Any, "Facts"], Iterable[Problem]]


class Generation(enum.Enum):
    """The service's two generations of paths; both are in use.

    In the current one the model is a segment of the path, and all tasks are queried at the same path.
    """

    LEGACY = "legacy"
    CURRENT = "current"


class Pool(enum.Enum):
    """The resource pack from which a task is paid, and whose slots it takes."""

    VIDEO = "video"
    IMAGE = "image"
    TRY_ON = "try-on"


USD_PER_UNIT: Final = {Pool.VIDEO: "0.14", Pool.IMAGE: "0.0035"}
"""List price of one unit in dollars (price tables of 2026-09); that of try-on is not known."""

SHOWN_WITHIN: Final = 60.0
"""Seconds after a create for which the current generation may not show a task; no shorter time is documented."""

IDS_AT_ONCE: Final = 20
"""Maximum ids in one query of the current generation (21 are refused: "cannot exceed 20 in total")."""

LEGACY_PREFIX: Final = "/v1/"


def name_of(path: str) -> str:
    """Returns the first half of a reference: the path without `/v1/` and `videos/`."""
    return path.removeprefix(LEGACY_PREFIX).removeprefix("videos/")


def no_price(_request: object) -> None:
    """Returns None: no price is published."""


def one_slot(_request: object) -> int:
    """Returns 1: a video task takes one slot."""
    return 1


def _about(rule: FileRule, facts: "Facts") -> Rule:
    return lambda request: rule(request, facts)


@attrs.frozen(kw_only=True, eq=False)
class Described:
    """The description of any endpoint: its requests, rules and prices.

    Attributes:
        path: of the endpoint.
        record: the class of its requests.
        name: the path without `/v1/` and `videos/`: first half of a reference (`image2video` in `image2video:<id>`).
        rules: find problems of a request.
        picture_rules: find problems of its pictures, as far as their contents are known.
        sound_rules: find problems of its sounds, likewise.
        capabilities: what each model can do; None if there is no map.
        units: price of a request in units of the pack; None if it is not known.
        pool: the pack that pays for it.
        generation: of the service's paths. In the current one `path` is the common prefix of all models' paths, and
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
        """Returns the path of a request; in the current generation, the request determines it."""
        path: str = getattr(request, "sent_to", self.path)
        return path

    def problems(self, request: object, facts: "Facts", now: datetime | None = None) -> list[Problem]:
        """Finds all problems of a request; never raises.

        Args:
            request: with any values.
            facts: about its local files, by field path as in `files_of`.
            now: the time by the service's clock; None to skip the check of earlier results' age.

        Returns:
            The problems, each with its field. Those with `by_map` are based on the capability map alone; those with
            `only_warns` refuse nothing.
        """
        from kling_async.protocol.rules.earlier_results import ages, stand_ins  # noqa: PLC0415  (rules take time)

        problems: list[Problem] = []
        file_rules = (_about(rule, facts) for rule in (*self.picture_rules, *self.sound_rules))
        of_time = () if now is None else (functools.partial(ages, now=now),)
        for rule in (*file_rules, *self.rules, stand_ins, *of_time, self._retired):
            try:
                problems += rule(request)
            except Exception as error:  # noqa: BLE001  (inspecting a value may raise anything)
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
        """Returns a message that a model was retired, with advice; None if it is not known to be retired."""
        retired = self.capabilities.retired_model(model_name) if self.capabilities else None
        return retired and retired + self._way_on

    @property
    def _way_on(self) -> str:
        """How a program can replace a retired model; empty for pictures, which the current generation does not make."""
        how = "; kling_async.current.from_legacy(request, model='kling-3.0') asks a newer one for the same"
        return how if self.pool is Pool.VIDEO else ""

    def estimate(self, request: object) -> Estimate:
        """Returns the price of a request; unknown for requests that the service would refuse."""
        return self.priced(self.units(request))

    def priced(self, units: "Decimal | None") -> Estimate:
        """Returns an amount of units with its list price in dollars."""
        per_unit = USD_PER_UNIT.get(self.pool)
        if units is None or per_unit is None:
            return Estimate(units=units, usd=None)
        return Estimate(units=units, usd=units * type(units)(per_unit))

    def usd_of(self, cost: "Cost") -> "Decimal | None":
        """Returns a cost in dollars: units at list price, money as paid; None if it cannot be converted.

        Money counts only if the service names dollars as its currency.
        """
        if cost.amount and cost.currency != "USD":
            return None
        if cost.units is None:
            return cost.amount
        usd = self.priced(cost.units).usd
        if cost.package_type not in {None, self.pool.value}:  # the list of tasks contains tasks of all packs
            per_unit = next((USD_PER_UNIT.get(pool) for pool in Pool if pool.value == cost.package_type), None)
            usd = None if per_unit is None else cost.units * type(cost.units)(per_unit)
        return usd if usd is None or not cost.amount else usd + cost.amount


@attrs.frozen(kw_only=True, eq=False)
class Endpoint(Described):
    """One endpoint that makes tasks: create with POST, query with GET `path/{id}`, list with GET `path`.

    Attributes:
        typical_seconds: how long a request's task takes, as published; for None, a task of unknown parameters.
        result: kind of result that its tasks make.
        is_raw: whether only the path is known, not even that it makes tasks.
        lists: whether it has a list of the account's tasks.
        page_maximum: maximum number of tasks in a page of the list.
        finds_by_external_id: whether tasks are found by external id: otherwise a lost create is never sent again.
        slots_of: number of slots that a request takes, which is also the number of its results.
    """

    typical_seconds: Callable[[Any], float]
    result: ResultKind = ResultKind.VIDEO
    is_raw: bool = False
    lists: bool = True
    page_maximum: int = 500
    finds_by_external_id: bool = False
    slots_of: Callable[[Any], int] = one_slot

    def priced(self, units: "Decimal | None") -> Estimate:
        """Returns an amount of units with its list price in dollars, which is unknown for a raw path."""
        return Estimate(units=units, usd=None) if self.is_raw else super().priced(units)

    def patient(self, retry: "Retry") -> "Retry":
        """Returns the settings for a create in doubt: the current generation may take long to show a task."""
        if self.generation is Generation.LEGACY:
            return retry
        return attrs.evolve(retry, settle=max(retry.settle, SHOWN_WITHIN))

    @property
    def ids_at_once(self) -> int:
        """Maximum number of tasks in one query."""
        return IDS_AT_ONCE if self.generation is Generation.CURRENT else 1

    @property
    def pack(self) -> str:
        """The pack that pays for its tasks; for a raw path, whose pack is unknown, its name."""
        return self.name if self.is_raw else self.pool.value

    def line_of(self, request: Request) -> str:
        """Returns the queue in which a request waits: slots are counted per model and pack."""
        model_name = getattr(request, "model_name", None) or self.name
        return model_name if self.pool is Pool.VIDEO else f"{model_name} ({self.pool.value})"

    def kind_of(self, request: Request) -> str:
        """Returns the kind of a request, such as `image2video/kling-v2-6/std/5`: its tasks take about equally long."""
        duration: Any = getattr(request, "duration", None)
        if self.generation is Generation.CURRENT:
            parts = [self.name + self.path_of(request), str(getattr(request, "resolution", None) or "720p")]
        else:
            mode = getattr(request, "mode", None) or "std"
            parts = [self.name, getattr(request, "model_name", None) or "", mode if hasattr(request, "mode") else ""]
        seconds = f"{float(duration):g}" if isinstance(duration, int | float) else ""
        return "/".join([*parts, seconds]).rstrip("/")
