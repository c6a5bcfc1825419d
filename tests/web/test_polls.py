"""Callbacks save polls: polls are deferred once callbacks have proved to arrive, and resumed when they do not."""

import asyncio
import math
import random
from collections.abc import Callable
from statistics import mean
from typing import Any

import pytest
from aiohttp import web

from kling_async import KlingClient, Polling
from kling_async.emulator import Emulator
from kling_async.emulator.service import callback_sender
from kling_async.protocol.polling.single_or_list import EndpointPlan
from tests.shell.conftest import wall
from tests.web.callbacks import SECRET, sender

Lost = Callable[["Story"], bool]


@pytest.fixture(autouse=True)
def callbacks_with_longer_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the emulator check its clock less often: the clock is the loop's, and does not jump."""
    monkeypatch.setattr(callback_sender, "_LONGEST_WAIT", 0.2)


class Story:
    """Tasks of about two minutes each, whose callbacks come or are lost on the way.

    Args:
        lost: returns whether the current callback is lost.
        options: of the client.
    """

    def __init__(self, lost: Lost, **options: Any) -> None:
        self.lost = lost
        self.options = {"concurrency": 5, **options}
        self.lags: list[float] = []
        """Seconds from the end of each task until the client received it, in the order received."""
        self.took: list[float] = []
        """Duration of each task, in seconds."""
        self.polls: list[int] = []
        """Number of polls so far, at each of these ends."""

    async def run(self, count: int) -> "Story":
        """Runs `count` tasks."""
        async with Emulator(render=False, speed=1.0, concurrency=20, clock=wall()) as emulator:
            app = web.Application()
            app.router.add_post("/", self.relay)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with KlingClient(
                base_url=emulator.base_url,
                access_key=emulator.access_key,
                secret_key=emulator.secret_key,
                clock=wall(),
                callback_url=f"http://127.0.0.1:{runner.addresses[0][1]}/",
                **self.options,
            ) as client:
                self.sent = sender(client, secrets=[SECRET])
                await asyncio.gather(*(self._one(client, emulator) for _ in range(count)))
            await runner.cleanup()
        return self

    async def relay(self, request: web.Request) -> web.Response:
        """Signs what the emulator posts, and passes it on."""
        body = await request.read()
        if not self.lost(self):
            await self.sent.post(body)
        return web.Response()

    async def _one(self, client: KlingClient, emulator: Emulator) -> None:
        task = await (await client.text_to_video("a cat"))
        assert task.updated_at is not None
        assert task.created_at is not None
        self.lags.append(wall()() - task.updated_at.timestamp())
        self.took.append((task.updated_at - task.created_at).total_seconds())
        self.polls.append(emulator.ledger.requests["query"] + emulator.ledger.requests["list"])


async def test_callbacks_save_polls() -> None:
    """Once callbacks have proved to arrive, there are hardly any polls; each end is received at once."""
    story = await Story(lambda _: False, concurrency=10).run(30)
    assert max(story.lags) < 0.5
    assert story.polls[-1] - story.polls[14] <= 8


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [5, 20])
async def test_two_hundred_tasks(concurrency: int) -> None:
    """At most 0.3 polls per task, including those before callbacks have proved to arrive."""
    story = await Story(lambda _: False, concurrency=concurrency).run(200)
    assert max(story.lags) < 0.5
    assert story.polls[-1] <= 0.3 * 200


@pytest.mark.slow
async def test_half_of_the_callbacks_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """No end is received later than without callbacks: at the next scheduled poll."""
    monkeypatch.setattr(random, "random", lambda: 0.5)
    monkeypatch.setattr(EndpointPlan, "_can_list", lambda *_: False)  # listings would add polls
    rng = random.Random(13)  # noqa: S311  (for a test)
    story = await Story(lambda _: rng.randrange(2) == 0, concurrency=20, polling=Polling()).run(200)
    looks = [10 + 15 * math.ceil(max(0, took - 10) / 15) for took in story.took]
    late = [lag for lag, look, took in zip(story.lags, looks, story.took, strict=True) if lag > look - took + 0.5]
    assert late == []
    assert 60 < len([lag for lag in story.lags if lag < 0.5]) < 150


@pytest.mark.slow
async def test_all_callbacks_are_lost_after_a_hundred() -> None:
    """Within ten tasks the client polls as if there had never been callbacks, with the same delay."""
    lost, never = Story(lambda story: len(story.lags) >= 100), Story(lambda _: True)
    story, none = await asyncio.gather(lost.run(200), never.run(100))
    assert max(story.lags[:100]) < 0.5
    assert max(story.lags[110:]) < 2 * max(none.lags)
    assert mean(story.lags[110:]) < 1.3 * mean(none.lags)
    assert story.polls[-1] - story.polls[110] > 2 * 90


@pytest.mark.slow
async def test_callbacks_that_come_back() -> None:
    """When callbacks arrive again, polls are deferred again."""
    story = await Story(lambda story: 50 <= len(story.lags) < 70, concurrency=10).run(150)
    assert story.polls[-1] - story.polls[110] <= 0.3 * 40
