"""The rows for paths of the current generation, on a server that is not the emulator and refuses no duplicates."""

from typing import Final

from benchmarks.faults.row import Row
from benchmarks.faults.rules import DOUBT, FOREIGN, each, one
from tests.faults import answers
from tests.faults import current_stories as stories
from tests.faults.current_service import CurrentService
from tests.faults.other_service import page

CURRENT: Final = (
    Row(
        rule=1,
        done=f"current path: a create takes effect and is answered by {FOREIGN}",
        must_be="1 paid, found, saved",
        cases=each(answers.create_answered, "raw", answers.ANSWERS, kind=CurrentService),
        within=60,
    ),
    Row(
        rule=1,
        done="current path: its answer is lost, and one of them answers each look-up for 40 s",
        must_be="no absence: 1 paid, saved",
        cases=each(answers.look_ups_answered, "raw", answers.ANSWERS, kind=CurrentService),
        within=120,
    ),
    Row(
        rule=1,
        done="current path: one of them answers the create, every look-up and every list",
        must_be="1 paid; `CreateInDoubt`, whose reference works once the service answers",
        cases=each(answers.all_answered, "raw", answers.ANSWERS, kind=CurrentService),
        came=DOUBT,
        within=65,
    ),
    Row(
        rule=1,
        done="current path: one of them answers four polls, 48 s after the create (task of 90 s)",
        must_be="waits on: 1 paid, saved",
        cases=each(answers.polls_answered, "raw", answers.ANSWERS, kind=CurrentService, takes=90),
    ),
    Row(
        rule=2,
        done="current path: an answer is lost, and the task hides for 60 s or, in one of the two questions, for ever",
        must_be="1 paid, found, saved",
        cases=each(stories.task_hides, "gap", stories.GAPS),
        came="saved; 1 sent",
        within=180,
    ),
    Row(
        rule=2,
        done="current path that drops the external id, which no answer has shown yet: an answer is lost",
        must_be="never sent again: 1 paid; `CreateInDoubt` that names the task, then saved",
        cases=each(stories.id_dropped, "raw", stories.LOST, known=False),
        came="`CreateInDoubt` that names 1, then saved; 1 sent",
        within=305,
    ),
    Row(
        rule=2,
        done="the same, after an earlier create has shown it",
        must_be="each of the two paid once; the only task that fits is taken and saved",
        cases=each(stories.id_dropped, "raw", stories.LOST, known=True),
        paid=2,
        came="saved; 2 sent",
        within=305,
    ),
    Row(
        rule=2,
        done="current path: an answer is lost, the task hides for 500 s, and the list of tasks is one of "
        f"{len(stories.NO_LISTS)} answers that prove nothing",
        must_be="never sent again: 1 paid; `CreateInDoubt`, then saved",
        cases=each(stories.no_list, "raw", stories.NO_LISTS),
        came=f"{DOUBT}; 1 sent",
        within=305,
    ),
    Row(
        rule=2,
        done="current path: no create takes effect, and none is answered",
        must_be="3 sent at most, `CreateInDoubt`",
        cases=each(stories.nothing_arrives, "raw", {name: stories.LOST[name] for name in stories.SENT_AGAIN}),
        paid=0,
        saved=0,
        came="`CreateInDoubt` with its reference; [23] sent",
        within=305,
    ),
    Row(
        rule=2,
        done="current path: a page with HTTP 404, 405 or 410 answers each create, and nothing is made",
        must_be="not sent again; in doubt in less than three minutes",
        cases=each(stories.nothing_arrives, "raw", {str(status): page(status) for status in (404, 405, 410)}),
        paid=0,
        saved=0,
        came="`CreateInDoubt` with its reference; 1 sent",
        says="HTTP 4",
        within=170,
    ),
    Row(
        rule=2,
        done="current path: the first send does not arrive",
        must_be="sent again, once the list of tasks shows that there is none: 1 paid, saved",
        cases=one(stories.arrives_at_last),
        came="saved; 2 sent",
        within=200,
    ),
    Row(
        rule=2,
        done="the same, and another client makes a task without an external id meanwhile",
        must_be="not sent again, since it may be ours: only the other one is paid",
        cases=one(stories.strangers_task),
        saved=0,
        came="`CreateInDoubt` that names 1; 1 sent",
        within=180,
    ),
)
