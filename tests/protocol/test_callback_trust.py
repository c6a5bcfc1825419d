"""How far callbacks are trusted: how many polls they save, and how soon their absence is noticed."""

from collections.abc import Callable, Iterable
from statistics import mean
from typing import Any

import pytest

from kling_async.protocol.polling.schedule import Polling

from .callback_world import ON_THE_WAY, SeenEnd, World

Made = Callable[..., World]

ALL_COME = 200


@pytest.fixture(params=[5, 20, 60], ids=lambda count: f"{count} at once")
def concurrency(request: pytest.FixtureRequest) -> int:
    """Concurrent tasks: few, as many as an account has, and more."""
    count: int = request.param
    return count


def lags(seen_ends: Iterable[SeenEnd]) -> list[float]:
    """Returns the seconds from the ends of tasks until they were seen."""
    return [each.lag for each in seen_ends]


@pytest.mark.parametrize("signed", [True, False])
def test_two_hundred_tasks(concurrency: int, *, signed: bool) -> None:
    """At most 0.3 polls per task, plus those caused by unsigned callbacks; each end is seen with its callback."""
    world = World(lambda _: False, seed=1, concurrency=concurrency, signed=signed).run(ALL_COME)
    called_for = 0 if signed else 2 * ALL_COME  # that it is processing, and its end
    assert world.polls <= 0.3 * ALL_COME + called_for
    assert max(lags(world.seen_ends)) < (ON_THE_WAY if signed else 1.2) + 0.001


def test_all_are_lost_after_a_hundred(concurrency: int) -> None:
    """Within the next ten ends the client polls as often, and sees ends as soon, as without callbacks."""
    late: list[float] = []
    usually_late: list[float] = []
    for seed in range(6):
        lost = World(lambda world: len(world.seen_ends) >= 100, seed=seed, concurrency=concurrency).run(200)
        never = World(lambda _: True, seed=seed, concurrency=concurrency).run(200)
        assert max(lags(lost.seen_ends[:100])) < ON_THE_WAY + 0.001
        late += lags(lost.seen_ends[110:])
        usually_late += lags(never.seen_ends[110:])
        polls, usual = (world.seen_ends[-1].polls - world.seen_ends[110].polls for world in (lost, never))
        assert polls > 0.8 * usual
    assert mean(late) < 1.1 * mean(usually_late)
    assert max(late) < 1.2 * max(usually_late)


@pytest.mark.parametrize("seed", range(3))
def test_half_are_lost(concurrency: int, seed: int) -> None:
    """Each end is seen by the next scheduled poll at the latest, as without callbacks."""
    options: dict[str, Any] = {"seed": seed, "concurrency": concurrency, "polling": Polling(), "lists": False}
    half = World(lambda world: world.draws.randrange(2) == 0, **options).run(200).seen_ends
    usual = {each.number: each.lag for each in World(lambda _: True, **options).run(200).seen_ends}
    wait = 2 * ON_THE_WAY + 0.001  # including the wait for a free query
    assert [each for each in half if each.lag > usual[each.number] + wait] == []
    assert 60 < sum(lag <= ON_THE_WAY + 0.001 for lag in lags(half)) < 140


def test_they_come_back() -> None:
    """When callbacks return they are trusted again."""
    world = World(lambda world: 50 <= len(world.seen_ends) < 70, seed=1, concurrency=10).run(160)
    assert world.polls - world.seen_ends[120].polls <= 0.3 * 40


def test_one_is_lost_now_and_then(concurrency: int) -> None:
    """A rare lost callback is noticed when nearly all such tasks have ended; other ends are seen at once."""
    world = World(lambda world: world.draws.random() < 0.02, seed=3, concurrency=concurrency).run(200)
    late = [lag for lag in lags(world.seen_ends) if lag > ON_THE_WAY + 0.001]
    assert 1 <= len(late) <= 12
    assert max(late) < 90
