"""The rows for stories on the emulator: lost answers, slots, polls, downloads, everything at once."""

import statistics
import warnings
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.faults.row import Row
from kling_async.emulator import Fault
from tests.faults import stories
from tests.faults.ends import Case, End, virtual
from tests.faults.stage import Outcome

MEASURED: Final = "2026-11-23"
"""Day on which the peers were measured."""
WAITS_ON: Final = "waits on: all paid once, saved"
RUNS: Final = 20
COUNT: Final = 1000


def case(story: Callable[..., Awaitable[Outcome]], **given: Any) -> Case:
    """Returns an input that runs a story and returns its outcome."""

    async def ended(directory: Path) -> End:
        outcome = await story(directory, **given)
        return End(outcome.paid, outcome.whole, outcome.seconds, _endings(outcome))

    return virtual(ended)


def _endings(outcome: Outcome) -> str:
    """Returns `saved`, or the number of each kind of end."""
    endings = outcome.endings
    if set(endings) == {"saved"}:
        return "saved"
    if set(endings) == {"in doubt, then saved"}:
        return "in doubt, then saved by `attach`"
    if set(endings) == {"saved", "save failed"} and outcome.requested == 1:
        return "`DownloadError`, whole when saved again"
    return ", ".join(f"{count} {f'`{name}`' if name[0].isupper() else name}" for name, count in sorted(endings.items()))


async def smaller_account(directory: Path) -> End:
    """20 tasks on 5 slots."""
    end = await stories.account_smaller_than_configured(directory)
    came = f"{100 * (end.over_ideal - 1):.0f} % over ideal, {end.creates} create requests"
    return End(end.paid, end.whole, end.seconds, came, holds=end.over_ideal <= 1.15 and end.creates <= 30)


async def short_tasks(directory: Path) -> End:
    """80 short tasks with slow creates: a slot is in use from the beginning of its create, which takes a second."""
    end = await stories.short_tasks(directory)
    return End(end.paid, end.whole, end.seconds, "in time" if end.seconds <= 1.35 * 8 + 5 else "too slow")


async def limit_of_one_model(directory: Path) -> End:
    """Six tasks on one slot, six of another model."""
    end, _ = await stories.limit_of_one_model(directory)
    full, free = (end.peaks[name] for name in (stories.MODEL, stories.OTHER_MODEL))
    return End(end.paid, end.whole, end.seconds, f"{free} of 6 at once of the other model, {full} of the full one")


async def empty_account(directory: Path) -> End:
    """1102 while 5 run and 15 wait."""
    end, later = await stories.empty_account(directory)
    came = f"{end.endings['InsufficientBalance']} of 15 fail at once, {end.faults} refused requests; the next is saved"
    fresh = later.creates == end.creates + 1 and later.whole == end.whole + 1
    return End(later.paid, later.whole, later.seconds, came, holds=fresh and end.faults <= 5)


def two_clients() -> End:
    """Two clients on 6 slots, many times."""
    shares = []

    async def played(directory: Path, seed: int) -> End:
        end = await stories.two_clients(directory, seed)
        shares.append(end.share)
        return End(end.paid, end.whole, end.seconds, "saved")

    ends = [virtual(partial(played, seed=seed))() for seed in range(RUNS)]
    share = statistics.median(shares)
    came = f"{100 * share:.0f} % (median of {RUNS} runs)"
    return End(
        max(end.paid for end in ends),
        min(end.saved for end in ends),
        max(end.seconds for end in ends),
        came,
        holds=share >= 0.25 and {end.paid for end in ends} == {40},
    )


async def failing_download(directory: Path, fault: Fault) -> End:
    """A download that fails, once."""
    end = await stories.failing_download(directory, fault)
    raised = bool(end.endings["save failed"])
    came = "`DownloadError`, whole when saved again" if raised else "saved, resumed by itself"
    good = (end.files, end.faults) == (1, 1) and (raised or bool(end.ranges[-1]))
    return End(end.paid, end.whole, end.seconds, came, holds=good)


async def everything(directory: Path) -> End:
    """A fifth of all calls fails."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        end = await stories.everything_at_once(directory, count=COUNT)
    half = len(end.resident) // 2
    grown = (max(end.resident[half:]) - max(end.resident[:half])) / 2**20
    good = end.files == COUNT and not end.errors and not caught and end.kept < COUNT / 10 and grown < 20
    came = (
        f"{end.faults:,} faults of {len(end.injected)} kinds, {end.creates:,} create requests, "
        f"{end.endings['in doubt, then saved']} by `attach`, {end.endings['save failed']} saves repeated; "
        f"memory {grown:+.0f} MB in the second half, {len(caught)} warnings"
    )
    return End(end.paid, end.whole, end.seconds, came, holds=good)


def polls(name: str, peers: str = "") -> tuple[Row, Row]:
    """Returns a row for one task and one for sixty."""
    one, many = (
        Row(
            rule=1,
            done=f"polls of {'one task' if count == 1 else f'{count} tasks at once'}: {name} (emulator)",
            must_be=WAITS_ON,
            cases={"it": case(stories.failing_polls, name=name, count=count)},
            paid=count,
            saved=count,
            peers=peers if count == 1 else "",
        )
        for count in (1, 60)
    )
    return one, many


def download(name: str, done: str, came: str, peers: str = "") -> Row:
    """Returns a row for a file whose first download goes wrong."""
    return Row(
        rule=10,
        done=f"download: {done} (emulator)",
        must_be="whole file or none; resumed, not begun anew",
        cases={"it": virtual(partial(failing_download, fault=stories.DOWNLOADS[name]))},
        came=came,
        peers=peers,
    )


EARLIER: Final = (
    Row(
        rule=2,
        done=f"answer to create lost ({', '.join(stories.LOST)}), once (emulator)",
        must_be="1 paid, saved",
        cases={name: case(stories.answer_lost, fault=fault) for name, fault in stories.LOST.items()},
        sells=True,
        peers="runwayml, lumaai, openai: **2 paid** (reset, 500, 502, timeout); klingai: **2 paid** (reset, 500, 502); "
        "fal: **2 paid**, at 500 1 and raises; replicate: 1 paid, raises (ignores the timeout)",
    ),
    Row(
        rule=2,
        done="the same ten times in a row; the task shows at once, or after 250 s (emulator)",
        must_be="1 paid, saved",
        cases={
            f"{name}, {after} s": case(stories.answer_lost_ten_times, fault=fault, visible_after=after)
            for name, fault in stories.LOST.items()
            for after in (0, 250)
        },
        peers="fal: **9 paid in 25 s, still going**; runwayml, lumaai, openai, klingai: **3 paid** + error; replicate: "
        "1 paid + error",
    ),
    Row(
        rule=2,
        done="the same; the task shows only after 800 s (emulator)",
        must_be="1 paid; `CreateInDoubt`, whose reference works later",
        cases={
            name: case(stories.answer_lost_ten_times, fault=fault, visible_after=800)
            for name, fault in stories.LOST.items()
        },
        came="in doubt, then saved by `attach`",
    ),
    Row(
        rule=3,
        done="lost, then the second send refused with 1102, 1303 or 1301 (emulator)",
        must_be="1 paid, found, saved",
        cases={str(code): case(stories.second_send_refused, code=code) for code in (1102, 1303, 1301)},
    ),
    Row(
        rule=2,
        done="lost, and the task shows only after 10 s (emulator)",
        must_be="1 paid, found, saved",
        cases={"it": case(stories.shows_late)},
    ),
    Row(
        rule=3,
        done="lost with a user's own id that an old task has (emulator)",
        must_be="conflict that names the old task; nothing adopted, nothing more paid",
        cases={"it": case(stories.id_of_an_old_task)},
        came="1 `ExternalTaskIdConflict`, 1 saved",
    ),
    Row(
        rule=8,
        done="20 tasks, `concurrency=20`, account runs 5",
        must_be="20 of 20, within 15 % of ideal, at most 30 create requests",
        cases={"it": virtual(smaller_account)},
        paid=20,
        saved=20,
        came=".* over ideal, .*",
        sells=True,
        peers="runwayml, lumaai, replicate, openai: **5 of 20**; klingai: **10 of 20**; fal: 20 of 20, 110 create "
        "requests, 20.7 s (ideal 12 s)",
    ),
    Row(
        rule=8,
        done="80 tasks of a second, creates of a second, 20 slots",
        must_be="within 1.35 of the ideal 8 s, plus 5 s for opening",
        cases={"it": virtual(short_tasks)},
        paid=80,
        saved=80,
        came="in time",
    ),
    Row(
        rule=8,
        done="two clients, 20 tasks each, account runs 6",
        must_be="40 of 40; when one is done the other has at least 25 % of its own",
        cases={"it": two_clients},
        paid=40,
        saved=40,
        came=".*median.*",
    ),
    Row(
        rule=8,
        done="a limit of one task reached on one model, 6 tasks each of two models",
        must_be="other models run on",
        cases={"it": virtual(limit_of_one_model)},
        paid=12,
        saved=12,
        came="6 of 6 at once of the other model, 1 of the full one",
    ),
    Row(
        rule=8,
        done="1102 while 5 run and 15 wait: the account is empty, and filled later",
        must_be="waiting tasks fail at once, at most 5 more requests; the next submit tries again",
        cases={"it": virtual(empty_account)},
        paid=6,
        saved=6,
        came="15 of 15 fail at once, .*",
    ),
    *polls("4 drops in a row", "fal: ok; replicate **dies at the 1st**; runwayml, lumaai, openai, klingai **die**"),
    *polls("one 500", "fal, replicate **die**; runwayml, lumaai, openai, klingai: ok"),
    *polls("one 401/1004", "all six **die**"),
    *polls("1302 at each third"),
    download(
        "half a body, clean end",
        "half a body with a clean end",
        "saved, resumed by itself",
        "replicate, openai, klingai: **accepted as complete**; the others leave downloads to you",
    ),
    download(
        "reset at half",
        "reset at half",
        "saved, resumed by itself",
        "replicate, openai: raise, **half a file left**; klingai: raises; the others leave downloads to you",
    ),
    download("HTML with 200", "HTML with 200", "`DownloadError`, whole when saved again"),
    download("stall at half", "stall at half", "saved, resumed by itself"),
)
ALL_AT_ONCE: Final = Row(
    rule=1,
    done=f"{COUNT:,} tasks, 20 % of all calls with faults that pass, of every kind (emulator)",
    must_be=f"{COUNT:,} paid, {COUNT:,} files with the right SHA-256, no warning, memory flat",
    cases={"it": virtual(everything)},
    paid=COUNT,
    saved=COUNT,
    came=".* 0 warnings",
    sells=True,
)
