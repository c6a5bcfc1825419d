from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.emulator.account.account_model import AccountModel
from kling_async.emulator.service import answers
from kling_async.emulator.service.endpoint import AcceptedRequest
from kling_async.emulator.service.endpoints.image2video import ENDPOINT
from kling_async.emulator.service.errors import HTTP_STATUS, Refusal
from tests.repeatable import same_draws

from .conftest import base64_png

NOW = 1_800_000_000.0
URL = "https://images.example/cat.png"


def new_account(**changes: Any) -> AccountModel:
    """Returns an account at the speed of the service."""
    rng = same_draws(0)
    arguments: dict[str, Any] = {"rng": rng, "speed": 1.0, "concurrency": 5, "balance": 100.0}
    return AccountModel(**arguments | changes)


def accepted(**parameters: Any) -> AcceptedRequest:
    """Returns a checked request."""
    return ENDPOINT.accept({"model_name": "kling-v2-6", "image": URL} | parameters)


def test_a_task_goes_through_its_states() -> None:
    """A task is submitted, then processing, then succeed, in about the time that the service takes."""
    task = new_account().create(NOW, ENDPOINT, accepted())

    assert [task.status(moment) for moment in (NOW, task.started_at, task.finished_at)] == [
        "submitted",
        "processing",
        "succeed",
    ]
    assert 40 < task.finished_at - NOW < 250
    assert NOW == task.updated_at(NOW) < task.updated_at(NOW + 30) < task.updated_at(NOW + 1000) == task.finished_at


def test_speed_divides_durations() -> None:
    """At a speed of 60 the same task takes a sixtieth of the time."""
    slow, fast = (new_account(speed=speed).create(NOW, ENDPOINT, accepted()) for speed in (1.0, 60.0))

    assert fast.finished_at - NOW == pytest.approx((slow.finished_at - NOW) / 60)


def test_times_spread_around_the_mean() -> None:
    """Times are drawn around the endpoint's mean, with a spread."""
    account = new_account(concurrency=2000, balance=1e6)
    times = [account.create(NOW, ENDPOINT, accepted(mode="pro")).finished_at - NOW for _ in range(2000)]

    mean = ENDPOINT.generation_seconds({"model_name": "kling-v2-6", "mode": "pro"})
    assert mean is not None
    assert sum(times) / len(times) == pytest.approx(mean + 4, rel=0.05)
    assert max(times) > 1.3 * min(times)


def test_the_seed_repeats_everything() -> None:
    """Two accounts with the same seed have the same ids and times."""
    first, second = (new_account().create(NOW, ENDPOINT, accepted()) for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image": base64_png(299, 640)}, "resolution or aspect ratio"),
        ({"image": base64_png(900, 300)}, "resolution or aspect ratio"),
        ({"mode": "pro", "image_tail": base64_png(1000, 300)}, "resolution or aspect ratio"),
        ({"prompt": "a forbidden thing"}, "Failure to pass the risk control system"),
    ],
)
def test_some_tasks_fail_later(parameters: dict[str, Any], message: str) -> None:
    """Bad sides and the word "forbidden" pass the create; then the task fails, and its price is refunded."""
    account = new_account()
    task = account.create(NOW, ENDPOINT, accepted(**parameters))
    charged = account.charged["video"]

    account.settle(NOW + 60)

    assert charged == accepted(**parameters).units
    assert account.charged["video"] == 0
    data = answers.queried(task, NOW + 60, lambda _task, _variant: "unused")
    assert (data["task_status"], data["final_unit_deduction"]) == ("failed", "0")
    assert message in data["task_status_msg"]


def test_concurrency_counts_until_the_end() -> None:
    """A slot is taken from submitted until the task has ended, for each model separately."""
    account = new_account(concurrency=2)
    first = account.create(NOW, ENDPOINT, accepted())
    account.create(NOW, ENDPOINT, accepted(prompt="forbidden"))

    with pytest.raises(Refusal) as caught:
        account.create(NOW, ENDPOINT, accepted())
    account.create(NOW, ENDPOINT, accepted(model_name="kling-v3"))
    account.create(NOW + 21, ENDPOINT, accepted())  # the failed task has freed its slot
    account.create(first.finished_at, ENDPOINT, accepted())

    assert (caught.value.code, caught.value.message) == (1303, "parallel task over resource pack limit")
    assert account.peaks == {"kling-v2-6": 2, "kling-v3": 1}
    assert account.peak == 3


def test_a_refused_create_has_no_effect() -> None:
    """A refused create is not listed, costs nothing, and does not use up its external id."""
    account = new_account(concurrency=1)
    first = account.create(NOW, ENDPOINT, accepted())

    with pytest.raises(Refusal):
        account.create(NOW, ENDPOINT, accepted(external_task_id="mine"))

    assert [first] == account.tasks
    assert first.request.units == account.charged["video"]
    assert account.create(first.finished_at, ENDPOINT, accepted(external_task_id="mine")) is account.find(
        ENDPOINT, "mine"
    )


def test_an_external_id_is_unique() -> None:
    """A second task with the same external id is refused and not charged, even after the first has ended."""
    account = new_account()
    task = account.create(NOW, ENDPOINT, accepted(external_task_id="job-0001"))

    with pytest.raises(Refusal) as caught:
        account.create(NOW + 1000, ENDPOINT, accepted(external_task_id="job-0001"))

    assert (caught.value.code, caught.value.message) == (1201, "External_task_id job-0001 already exists")
    assert task.request.units == account.charged["video"]
    assert account.find(ENDPOINT, "job-0001") is account.find(ENDPOINT, task.task_id) is task


def test_no_external_id_is_no_id() -> None:
    """Any number of tasks may have the empty external id, which finds none of them."""
    account = new_account()
    account.create(NOW, ENDPOINT, accepted(external_task_id=""))
    account.create(NOW, ENDPOINT, accepted(external_task_id=""))

    with pytest.raises(Refusal):
        account.find(ENDPOINT, "")


@pytest.mark.parametrize(("balance", "created"), [(0.0, 0), (-1.0, 0), (1.49, 0), (1.5, 1), (3.2, 2)])
def test_the_balance_limits_what_is_created(balance: float, created: int) -> None:
    """A task is created as long as the balance covers its price; then creates are refused with 429/1102."""
    account = new_account(balance=balance)
    for _ in range(created):
        account.create(NOW, ENDPOINT, accepted())

    with pytest.raises(Refusal) as caught:
        account.create(NOW, ENDPOINT, accepted())

    assert (caught.value.code, caught.value.http_status) == (1102, 429)
    assert created == len(account.tasks)


def test_the_balance_is_looked_at_before_the_external_id() -> None:
    """With an empty balance even a repeated create gets 1102, which does not show whether the first took effect."""
    account = new_account(balance=1.5)
    account.create(NOW, ENDPOINT, accepted(external_task_id="job-0001"))

    with pytest.raises(Refusal) as caught:
        account.create(NOW, ENDPOINT, accepted(external_task_id="job-0001"))

    assert caught.value.code == 1102


@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 15))
def test_pages_hold_each_task_once(count: int, number: int, size: int) -> None:
    """The list is cut into pages without gaps or repetitions, newest first; beyond its end pages are empty."""
    account = new_account(concurrency=100, balance=1e6)
    newest_first = [account.create(NOW, ENDPOINT, accepted()) for _ in range(count)][::-1]

    assert newest_first[(number - 1) * size : number * size] == account.page(ENDPOINT, number, size)


@pytest.mark.parametrize("problem", [{"speed": 0.0}, {"speed": -1.0}, {"speed": float("nan")}, {"concurrency": 0}])
def test_impossible_settings_are_errors(problem: dict[str, Any]) -> None:
    """A speed or a concurrency of 0 raises an error at once."""
    with pytest.raises(ValueError, match=next(iter(problem))):
        new_account(**problem)


def test_the_error_table_has_its_http_statuses() -> None:
    """Each code has the HTTP status of the error table; 1102 and 1304 are 429 although permanent."""
    assert len(HTTP_STATUS) == 21
    assert {401, 429, 403, 400, 404, 500, 503, 504} == set(HTTP_STATUS.values())
    assert {1100, 1101, 1102, 1302, 1303, 1304} == {code for code, status in HTTP_STATUS.items() if status == 429}
