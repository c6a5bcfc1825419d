from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_async.protocol.create_recovery import Action, Pause
from kling_async.protocol.create_times import CLOCK_TOLERANCE
from kling_async.protocol.errors import (
    BadResponse,
    ConnectionFailed,
    CreateInDoubt,
    ExternalTaskIdConflict,
    InvalidRequest,
    KlingError,
    NotTheService,
    RateLimited,
    RequestRefused,
)
from kling_async.protocol.retry import Retry
from kling_async.protocol.tasks import Task

from .create_world import (
    CLAIMS,
    CLEAR,
    DOUBTFUL,
    FAULTS,
    NO_PATH,
    READABLE,
    REFUSALS,
    UNREADABLE,
    Service,
    Story,
    create,
    drive,
    unnamed,
)

SLOW = ["timeout", "html-504", "html-499", "5002", "5002-200"]
FOREVER = 999


def in_doubt(story: Story) -> None:
    """The create ended in doubt, and its error has the reference."""
    assert type(story.end) is CreateInDoubt
    assert story.end.reference == "image2video:mine"


# ----------------------------------------------------------------------------------------------- from unsent


def test_a_good_answer_accepts() -> None:
    """Unsent -> accepted: the task of a 200 is the result of the one send."""
    story = drive(create(), Service())
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0)]


@pytest.mark.parametrize("refusal", CLEAR)
def test_a_refusal_ends_an_unsent_create(refusal: str) -> None:
    """Unsent -> refused: codes up to 1304 created nothing; the error states this, and has the reference."""
    story = drive(create(), Service([refusal]))
    assert isinstance(story.end, KlingError)
    assert story.steps == [("send", 0)]
    assert "; nothing was created" in str(story.end)
    assert story.end.reference == "image2video:mine"


@pytest.mark.parametrize("refusal", CLAIMS)
def test_a_refusal_that_a_duplicate_could_cause_is_checked_once(refusal: str) -> None:
    """Unsent -> claimed -> refused: one look-up that finds nothing, then the refusal, with the reference."""
    story = drive(create(), Service([refusal]))
    assert isinstance(story.end, KlingError)
    assert story.steps == [("send", 0), ("look", 0)]
    assert "; nothing is found under its reference yet" in str(story.end)
    assert (story.end.code, story.end.reference) == (int(refusal.partition("-")[0]), "image2video:mine")


@pytest.mark.parametrize("refusal", CLAIMS)
def test_a_task_of_a_send_repeated_by_a_proxy_is_ours(refusal: str) -> None:
    """Unsent -> claimed -> accepted: the task of a send that a proxy repeated is found, whatever the refusal's text."""
    story = drive(create(own_id=False), Service([f"made-{refusal}"]))
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0), ("look", 0)]


def test_an_unreadable_file_refuses() -> None:
    """Unsent -> refused: a picture file that is gone before the send never reached the service."""
    story = drive(create(), Service(["unreadable"]))
    assert type(story.end) is InvalidRequest
    assert story.steps == [("send", 0)]


@pytest.mark.parametrize("passing", ["1302", "unreached"])
def test_a_send_that_created_nothing_is_repeated(passing: str) -> None:
    """Unsent -> unsent: too many requests, and a failed connection, are retried with growing delays."""
    service = Service([passing] * 4)
    story = drive(create(), service)
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0), ("send", 1), ("send", 3), ("send", 7), ("send", 15)]


@pytest.mark.parametrize(("passing", "kind"), [("1302", RateLimited), ("unreached", ConnectionFailed)])
def test_sending_again_ends_with_the_budget(passing: str, kind: type[KlingError]) -> None:
    """Unsent -> refused: retries of failures that create nothing end at the budget, with the last error."""
    story = drive(create(Retry(budget=100)), Service([passing] * FOREVER))
    assert type(story.end) is kind
    assert story.times("send") == [0, 1, 3, 7, 15, 31, 61, 91, 100]


def test_a_full_account_waits_for_a_slot() -> None:
    """Unsent -> unsent: 1303 releases the slot, and the create waits for another without a limit of time."""
    story = drive(create(Retry(budget=100)), Service(["1303"] * 3, slot_takes=1000))
    assert isinstance(story.end, Task)
    assert story.steps == [step for at in (0, 1000, 2000) for step in (("send", at), ("slot", at))] + [("send", 3000)]


def test_waiting_for_a_slot_uses_up_no_budget() -> None:
    """Unsent -> unsent: the budget counts from the first failure after the last 1303."""
    story = drive(create(Retry(budget=10)), Service(["1302", "1303", "1302", "1302"], slot_takes=1000))
    assert isinstance(story.end, Task)
    assert story.times("send") == [0, 1, 1001, 1002, 1004]


# ---------------------------------------------------------------------------------------------- to doubtful


@pytest.mark.parametrize("fault", DOUBTFUL)
def test_doubt_is_settled_by_a_look_up(fault: str) -> None:
    """Unsent -> doubtful -> accepted: after an inconclusive answer the task is looked up, not created again."""
    service = Service([f"made-{fault}"])
    story = drive(create(), service)
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0), ("look", 1)]
    assert service.paid == 1


@pytest.mark.parametrize("fault", UNREADABLE)
def test_after_an_unreadable_success_nothing_is_sent_again(fault: str) -> None:
    """Doubtful -> refused: a 2xx that is not about our task is looked up over `settle` seconds, then in doubt."""
    story = drive(create(), Service([fault]))
    in_doubt(story)
    assert story.steps == [("send", 0), *(("look", at) for at in (1, 3, 7, 15))]
    assert "the last send ended with: " in str(story.end)


@pytest.mark.parametrize("times", [0, 1, 20])
def test_the_task_of_another_create_is_not_ours(times: int) -> None:
    """Doubtful: an answer about another create's task proves nothing; ours is looked up."""
    service = Service(sends=["made-anothers"], looks=["anothers"] * times)
    story = drive(create(belongs_to_another=lambda task: task.task_id == "7"), service)
    assert service.sent == ["made-anothers"]
    if times == 20:
        in_doubt(story)
    else:
        assert isinstance(story.end, Task)
        assert story.end.task_id == "801"


def test_an_unreadable_success_of_a_second_send_is_the_last() -> None:
    """Doubtful -> refused: after an unreadable 2xx of a second send there is no third, even within the budget."""
    story = drive(create(), Service(["reset", "gateway"]))
    in_doubt(story)
    assert (story.times("send"), story.times("look")[-1]) == ([0, 15], 30)


@pytest.mark.parametrize("look", ["gateway-400", "redirect", "html-400", "html-404", "html-409", "stranger"])
def test_an_answer_of_a_gateway_does_not_prove_absence(look: str) -> None:
    """Doubtful: a look-up that a gateway answers allows no second send, even where duplicates are not refused."""
    service = Service(["made-reset"], [look] * FOREVER, refuses_twins=False)
    story = drive(create(), service)
    in_doubt(story)
    assert (story.times("send"), service.paid) == ([0], 1)
    assert "the last look-up ended with: " in str(story.end)


def test_a_wrong_address_ends_in_doubt_at_once() -> None:
    """Doubtful -> refused: once the address is known to be wrong, the create does not wait for the budget."""
    machine = create()
    machine.sending(0)
    machine.answered(0, BadResponse("a page", http_status=404, foreign=True))
    machine.looked_up(6, NotTheService("base_url is wrong", http_status=404), 0)
    end = machine.next(6)
    assert isinstance(end, CreateInDoubt)
    assert "base_url is wrong" in str(end)


def test_a_create_is_sent_three_times_at_most() -> None:
    """Doubtful -> refused: after three sends only look-ups go on until the budget."""
    story = drive(create(), Service(["reset"] * FOREVER))
    in_doubt(story)
    assert (story.times("send"), story.times("look")[-1]) == ([0, 15, 30], 300)


@pytest.mark.parametrize("passing", ["1302", "1303", "unreached"])
def test_sends_that_surely_created_nothing_do_not_count(passing: str) -> None:
    """Doubtful: sends refused as full or too fast, or that never left, do not count towards the three."""
    story = drive(create(), Service([passing, "reset", passing, "reset", passing, *["reset"] * FOREVER]))
    in_doubt(story)
    assert len(story.times("send")) == 6


def test_a_renewed_token_counts_as_a_send() -> None:
    """Doubtful: a send that is repeated with a new token counts twice."""
    machine = create()
    for _ in range(3):
        machine.sending(0)
    machine.answered(0, ConnectionFailed("reset"))
    machine.looked_up(15, RequestRefused("not found", code=1201, http_status=400), 0)
    assert isinstance(machine.next(15), Pause)


def test_without_resending_a_doubt_ends_after_settling() -> None:
    """Doubtful -> refused: `on_doubt="raise"` sends nothing again, even if no task is found."""
    story = drive(create(resend=False), Service(["reset"]))
    in_doubt(story)
    assert story.steps == [("send", 0), *(("look", at) for at in (1, 3, 7, 15))]


@pytest.mark.parametrize("fault", [fault for fault in READABLE if fault not in NO_PATH])
def test_the_same_id_is_sent_again_after_settling(fault: str) -> None:
    """Doubtful: a task not found over `settle` seconds, four times that after a timeout, is sent again."""
    service = Service([fault])
    story = drive(create(), service)
    looks: list[float] = [1, 3, 7, 15, 31, 60] if fault in SLOW else [1, 3, 7, 15]
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0), *(("look", at) for at in looks), ("send", looks[-1])]
    assert service.paid == 1


def test_without_settling_there_is_one_look_up_all_the_same() -> None:
    """Doubtful: even with `settle=0` nothing is sent again before a look-up finds nothing."""
    story = drive(create(Retry(settle=0)), Service(["reset"]))
    assert story.steps == [("send", 0), ("look", 1), ("send", 1)]


@pytest.mark.parametrize(
    "fault", ["reset", "timeout", "5000", "html-502", "1302", "1102", "1200", "no-code", "new-word"]
)
def test_a_look_up_that_fails_allows_no_second_send(fault: str) -> None:
    """Doubtful: only "not found" at the end of settling allows a second send; a failed look-up proves nothing."""
    service = Service(["reset"], [fault] * 7)
    story = drive(create(), service)
    assert story.times("look") == [1, 3, 7, 15, 31, 61, 91, 121]
    assert story.times("send") == [0, 121]


@pytest.mark.parametrize("refusal", [*REFUSALS, "1302", "1303", "unreached", "unreadable"])
def test_a_refusal_of_a_second_send_ends_nothing(refusal: str) -> None:
    """Doubtful -> doubtful: the first send may be paid, so after a refused second send its task is still looked up."""
    service = Service(["made-reset", refusal], hidden=25)
    story = drive(create(), service)
    assert isinstance(story.end, Task)
    assert story.times("send") == [0, 15]
    assert service.paid == 1


def test_a_second_send_in_doubt_settles_anew() -> None:
    """Doubtful -> doubtful: each send in doubt is followed by look-ups, for as long as its failure requires."""
    story = drive(create(), Service(["reset", "timeout", "reset"]))
    assert story.times("send") == [0, 15, 75]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(("fault", "settle"), [("reset", 15), ("timeout", 60)])
def test_after_a_refused_second_send_there_is_no_third(refusal: str, fault: str, settle: float) -> None:
    """Doubtful -> refused: after a refused second send look-ups go on over `settle` seconds, then it is in doubt."""
    story = drive(create(), Service([fault, refusal]))
    in_doubt(story)
    assert (story.times("send"), story.times("look")[-1]) == ([0, settle], 2 * settle)


def test_already_exists_is_looked_up_at_once() -> None:
    """Doubtful -> accepted: a second send refused as a duplicate proves that the first one's task exists."""
    service = Service(["made-reset"], hidden=16)
    story = drive(create(), service)
    assert isinstance(story.end, Task)
    assert story.steps[-3:] == [("send", 15), ("look", 15), ("look", 16)]
    assert service.paid == 1


def test_an_existing_task_is_not_sent_a_third_time() -> None:
    """Doubtful: once the id is known to exist, only look-ups go on for `settle` seconds, with growing delays."""
    service = Service(["made-reset"], hidden=1e9)
    story = drive(create(), service)
    in_doubt(story)
    assert story.times("send") == [0, 15]
    assert story.times("look") == [1, 3, 7, 15, 15, 16, 18, 22, 30]
    assert service.paid == 1


def test_a_file_that_is_gone_is_not_sent_a_third_time() -> None:
    """Doubtful: if the picture is gone at the second send, only look-ups go on until the budget."""
    story = drive(create(), Service(["reset", "unreadable"]))
    in_doubt(story)
    assert story.times("send") == [0, 15]
    assert story.times("look")[-1] == 300


def test_the_budget_ends_in_doubt() -> None:
    """Doubtful -> refused: the budget ends with a last look-up, and an error that names what may be paid."""
    service = Service(["made-reset"], ["reset"] * FOREVER)
    story = drive(create(Retry(budget=100)), service)
    in_doubt(story)
    assert story.steps[-1] == ("look", 100)


@pytest.mark.parametrize("budget", [15, 15.5, 16, 40])
def test_nothing_is_sent_after_the_budget(budget: float) -> None:
    """Doubtful: the last request of the budget is a look-up, as none could follow a send."""
    story = drive(create(Retry(budget=budget)), Service(["reset"] * FOREVER))
    in_doubt(story)
    assert all(at < budget for at in story.times("send"))
    assert story.steps[-1] == ("look", budget)


@pytest.mark.parametrize(("now", "step"), [(99.9, Action.SEND), (100.0, Action.LOOK_UP)])
def test_time_that_passes_before_the_second_send_counts(now: float, step: Action) -> None:
    """Doubtful: a second send that would be a moment too late becomes a look-up."""
    machine = create(Retry(budget=100))
    machine.sending(0)
    machine.answered(0, ConnectionFailed("reset"))
    machine.looked_up(99, RequestRefused("not found", code=1201, http_status=400), 0)
    assert machine.next(now) is step


def test_a_send_that_outlasts_the_budget_is_looked_up() -> None:
    """Doubtful: when the last send returns after the budget, one look-up follows at once."""
    service = Service(["reset", "made-reset"], takes=20)
    story = drive(create(Retry(budget=35)), service)
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0), ("look", 21), ("send", 41), ("look", 61)]
    assert service.paid == 1


# --------------------------------------------------------------------------------------- the owner of a task


def claimed(created_at: float | None, offset: float = 0.0, **how: Any) -> Story:
    """The story of a create whose id already has a task, created this long after its first send, or before it."""
    service = Service(offset=offset)
    service.has("mine", created_at)
    return drive(create(**{"own_id": False, **how}), service)


@pytest.mark.parametrize("offset", [0.0, 3600.0, -3600.0])
@pytest.mark.parametrize("created_at", [-CLOCK_TOLERANCE - 1, -86400.0])
def test_an_older_task_is_a_conflict(created_at: float, offset: float) -> None:
    """Claimed -> refused: a task older than our first send, by the service's clock, is a conflict that is named."""
    story = claimed(created_at, offset)
    assert story.steps == [("send", 0), ("look", 0)]
    assert isinstance(story.end, ExternalTaskIdConflict)
    assert (story.end.reference, story.end.code) == ("image2video:800", 1201)
    assert story.end.task.external_task_id == "mine"
    assert "if_exists='adopt'" in str(story.end)


@pytest.mark.parametrize("offset", [0.0, 3600.0, -3600.0])
@pytest.mark.parametrize("created_at", [-CLOCK_TOLERANCE + 1, 0.0, 5.0, None])
def test_a_younger_task_is_ours(created_at: float | None, offset: float) -> None:
    """Claimed -> accepted: a task from our first send on, or of unknown age, is the result; none is created twice."""
    story = claimed(created_at, offset)
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0), ("look", 0)]


@pytest.mark.parametrize("how", [{"adopt": True}, {"own_id": True}])
def test_an_older_task_is_taken_if_it_can_only_be_ours_or_is_wanted(how: dict[str, bool]) -> None:
    """Claimed -> accepted: age does not matter with `adopt`, nor for an id generated for this create."""
    assert isinstance(claimed(-86400, **how).end, Task)


def test_an_older_task_that_doubt_finds_is_a_conflict() -> None:
    """Doubtful -> refused: the look-up after a lost answer may show that the id belongs to an older task."""
    service = Service(["made-reset"])
    service.has("mine", -100)
    story = drive(create(own_id=False), service)
    assert isinstance(story.end, ExternalTaskIdConflict)
    assert (story.end.code, service.paid) == (None, 0)


def test_age_counts_from_the_first_send() -> None:
    """Doubtful -> accepted: a task created by the first of several sends is ours."""
    service = Service(["made-reset", "reset", "reset"], hidden=40)
    story = drive(create(own_id=False), service)
    assert isinstance(story.end, Task)
    assert service.paid == 1


@pytest.mark.parametrize("look", ["reset", "5000", "html-404"])
def test_a_claim_is_looked_up_until_it_is_answered(look: str) -> None:
    """Claimed -> accepted: a look-up without an answer proves nothing, and is repeated."""
    service = Service(looks=[look] * 3)
    service.has("mine", 0)
    story = drive(create(own_id=False), service)
    assert isinstance(story.end, Task)
    assert story.steps == [("send", 0), *(("look", at) for at in (0, 1, 3, 7))]


def test_a_claim_that_cannot_be_looked_up_is_in_doubt_after_settling() -> None:
    """Claimed -> refused: without any answer for `settle` seconds, it is not known whether the task exists."""
    service = Service(looks=["reset"] * FOREVER)
    service.has("mine", 0)
    story = drive(create(own_id=False), service)
    in_doubt(story)
    assert story.steps[-1] == ("look", 15)


# ------------------------------------------------------------------------------------------- any faults at all

SENDS = [*(FAULTS.keys() - {"new-word"}), *(f"made-{fault}" for fault in DOUBTFUL), "made"]
SENDS.sort()
LOOKS = ["", "", "reset", "timeout", "5000", "1302", "1102", "not-found", "html-404", "new-word", "stranger", "gateway"]
RETRIES = st.builds(Retry, budget=st.sampled_from([0.0, 20.0, 300.0]), settle=st.sampled_from([0.0, 15.0]))
SERVICES = st.builds(
    Service,
    sends=st.lists(st.sampled_from(SENDS), max_size=8),
    looks=st.lists(st.sampled_from(LOOKS), max_size=25),
    hidden=st.sampled_from([0.0, 10.0, 40.0, 200.0, 1e9]),
    takes=st.sampled_from([0.0, 0.5, 60.0]),
    slot_takes=st.just(50.0),
)
OWNERS = st.sampled_from(["own id", "user's id", "older task"])


@settings(max_examples=250, deadline=None)
@given(SERVICES, RETRIES, OWNERS)
@example(Service(["made-reset"] * 8, hidden=1e9, takes=60), Retry(settle=0), "own id")
@example(Service(["made-timeout", "1102", "unreadable"], hidden=200, takes=0.5), Retry(), "user's id")
def test_paid_at_most_once_with_any_faults(service: Service, retry: Retry, owner: str) -> None:
    """With any faults, at most one task is paid, and it is returned or named, in bounded time."""
    if owner == "older task":
        service.has("mine", -100)
    story = drive(create(retry, own_id=owner == "own id"), service)
    assert service.paid <= (owner != "older task")
    if isinstance(story.end, Task):
        assert story.end.external_task_id == "mine"
    elif service.paid:
        in_doubt(story)
    assert len(story.times("send")) - sum(service.sent.count(fault) for fault in ("1302", "1303", "unreached")) <= 3
    slots = len(story.times("slot"))
    assert service.now <= 50 * slots + (slots + 2) * (retry.budget + 2 * service.takes)


@settings(max_examples=100, deadline=None)
@given(
    sends=st.lists(st.sampled_from(SENDS), max_size=6),
    looks=st.lists(st.sampled_from(["", "", "reset", "5000"]), max_size=15),
    hidden=st.floats(0, 15),
)
def test_paid_once_even_if_the_service_took_twins(sends: list[str], looks: list[str], hidden: float) -> None:
    """If look-ups find a task within `settle`, it is paid once even without the service's check for duplicates."""
    service = Service([*sends], [*looks], hidden=hidden, refuses_twins=False)
    drive(create(), service)
    assert service.paid <= 1


LISTS = ["", "", "reset", "5000", "1302", "html-404", "new-word"]
FORGETFUL = st.builds(
    Service,
    sends=st.lists(st.sampled_from(SENDS), max_size=6),
    looks=st.lists(st.sampled_from(LOOKS), max_size=25),
    lists=st.lists(st.sampled_from(LISTS), max_size=8),
    hidden=st.sampled_from([0.0, 60.0, 1e9]),
    hidden_from_list=st.floats(0, 60),
    drops_ids=st.booleans(),
    refuses_twins=st.just(False),  # noqa: FBT003  (a value)
    takes=st.sampled_from([0.0, 5.0]),
    unnamed=st.lists(st.builds(unnamed, st.sampled_from(["901", "902"]), st.floats(-20, 100)), max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(FORGETFUL, st.sampled_from([None, True, False]))
@example(Service(["made-reset"] * 6, hidden_from_list=60, drops_ids=True, refuses_twins=False), None)
@example(Service(["made-reset"] * 6, hidden=1e9, hidden_from_list=60, refuses_twins=False), None)
@example(Service(["made-html-404"], lists=["html-404"] * 8, hidden=1e9, refuses_twins=False), None)
def test_paid_once_even_if_ids_were_dropped_and_twins_taken(service: Service, keeps_id: bool | None) -> None:  # noqa: FBT001  (hypothesis gives it by position)
    """If the list shows a task within a minute, it is paid once even without ids and checks for duplicates."""
    strangers = len(service.unnamed)
    story = drive(create(Retry(settle=60), searches=True, keeps_id=keeps_id), service)
    assert service.paid <= 1
    if service.paid and not isinstance(story.end, Task):
        in_doubt(story)
    elif service.paid and not strangers:
        assert isinstance(story.end, Task)
        assert (story.end.task_id, story.end.external_task_id) == ("801", "mine")
