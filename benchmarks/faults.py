"""Reliability, measured: what happens to tasks and money when calls go wrong; prints a table in Markdown.

    python -m benchmarks.faults            # a few minutes
    python -m benchmarks.faults --write    # and puts the table into README.md

Each row runs the client against an emulator over real connections, on an event loop whose clock jumps. The peers'
figures were measured once, against another emulator, and are data here.
"""

import argparse
import asyncio
import logging
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import attrs

from kling_async.emulator import Fault
from tests.faults import stories
from tests.faults.stage import Outcome
from tests.virtual_time import VirtualTimeLoop

README: Final = Path(__file__).parents[1] / "README.md"
SECTION: Final = re.compile(r"(?<=<!-- faults -->\n).*?(?=<!-- /faults -->)", re.DOTALL)
MEASURED: Final = "2026-11-23"

_T = TypeVar("_T")

Verdict = tuple[bool, str]
"""Whether what must be is, and the figures."""


@attrs.frozen
class Row:
    """A row of the table.

    Attributes:
        fault: What goes wrong.
        must_be: What must come of it.
        measure: Runs it.
        peers: What came of it elsewhere.
    """

    fault: str
    must_be: str
    measure: Callable[[], Verdict]
    peers: str = "not measured"


def play(story: Callable[[Path], Awaitable[_T]]) -> _T:
    """Runs a story on a loop and in a directory of its own."""

    async def in_its_directory(directory: str) -> _T:
        return await story(Path(directory))

    with tempfile.TemporaryDirectory() as directory, asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(in_its_directory(directory))


def lost() -> Verdict:
    """The answer to create is lost in each way, once."""
    ends = [_lost(fault) for fault in stories.LOST.values()]
    holds = all((end.paid, end.whole, end.faults) == (1, 1, 1) for end in ends)
    return holds, f"{_counts('paid', ends)}, {_counts('whole', ends, 'saved')}, in each of the {len(ends)} ways"


def lost_ten_times() -> Verdict:
    """The same ten times in a row, with a task that shows at once, after 250 s, after 800 s."""
    ends = [
        play(partial(stories.answer_lost_ten_times, fault=fault, visible_after=after))
        for fault in stories.LOST.values()
        for after in (0, 250, 800)
    ]
    doubts = sum(end.endings["in doubt, then saved"] for end in ends)
    holds = all((end.paid, end.whole) == (1, 1) for end in ends)
    return holds, (
        f"{_counts('paid', ends)}, up to {max(end.faults for end in ends)} answers lost; "
        f"saved in {len(ends) - doubts} of {len(ends)} runs; in the other {doubts} the task "
        "showed only after 800 s: `CreateInDoubt`, then saved by `attach`"
    )


def second_send_refused(code: int) -> Verdict:
    """A lost answer, and a second send that is refused."""
    return _found(play(partial(stories.second_send_refused, code=code)), 2)


def shows_late() -> Verdict:
    """A lost answer, and a task that shows after 10 s."""
    return _found(play(stories.shows_late), 1)


def id_of_an_old_task() -> Verdict:
    """A lost answer to a create with an id that is taken."""
    end = play(stories.id_of_an_old_task)
    holds = (end.paid, end.endings["ExternalTaskIdConflict"], end.faults) == (1, 1, 1)
    return holds, f"`ExternalTaskIdConflict` with the old task's reference; {end.paid - 1} more paid"


def smaller_account() -> Verdict:
    """20 tasks on 5 slots."""
    end = play(stories.account_smaller_than_told)
    holds = end.whole == end.paid == 20 and end.over_ideal <= 1.15 and end.creates <= 30
    return holds, f"{end.whole} of 20, {100 * (end.over_ideal - 1):.0f} % over ideal, {end.creates} create requests"


def two_clients(runs: int) -> Verdict:
    """Two clients on 6 slots."""
    ends = [play(partial(stories.two_clients, seed=seed)) for seed in range(runs)]
    share = statistics.median(end.share for end in ends)
    holds = all(end.whole == end.paid == 40 for end in ends) and share >= 0.25
    return holds, f"{_counts('whole', ends, '')} of 40; {100 * share:.0f} % (median of {runs} runs)"


def limit_of_one_model() -> Verdict:
    """Six tasks on one slot, six of another model."""
    end, _ = play(stories.limit_of_one_model)
    full, free = (end.peaks[name] for name in (stories.MODEL, stories.OTHER_MODEL))
    return (end.whole, full, free) == (12, 1, 6), f"{free} of 6 at once of the other model, {end.whole} of 12 saved"


def empty_account() -> Verdict:
    """1102 while 5 run and 15 wait."""
    end, later = play(stories.empty_account)
    failed = end.endings["InsufficientBalance"]
    holds = failed == 15 and end.faults <= 5 and later.creates == end.creates + 1 and later.whole == end.whole + 1
    return holds, f"{failed} of 15 fail at once, refused requests: {end.faults}; the next submit is sent and saved"


def polls(name: str) -> Verdict:
    """Polls that fail, of one task and of 60."""
    ends = [play(partial(stories.failing_polls, name=name, count=count)) for count in (1, 60)]
    holds = all(end.faults and end.whole == end.asked == end.paid for end in ends)
    return holds, f"{_sum('whole', ends)} of {_sum('asked', ends)} finish, {_sum('faults', ends)} faults"


def download(fault: Fault) -> Verdict:
    """A download that fails, once."""
    end = play(partial(stories.failing_download, fault=fault))
    said = bool(end.endings["save failed"])
    holds = (end.whole, end.files, end.faults) == (1, 1, 1) and (said or bool(end.ranges[-1]))
    return holds, "none, `DownloadError`; whole when saved again" if said else "whole, resumed by itself"


def everything(count: int) -> Verdict:
    """A fifth of all calls fails."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        end = play(partial(stories.everything_at_once, count=count))
    half = len(end.resident) // 2
    grown = (max(end.resident[half:]) - max(end.resident[:half])) / 2**20
    holds = end.paid == end.whole == end.files == count and not end.errors and not told
    return holds and end.kept < count / 10 and grown < 20, (
        f"{end.paid:,} paid, {end.whole:,} right files; {end.faults:,} faults of {len(end.injected)} kinds, "
        f"{end.creates:,} create requests, {end.endings['in doubt, then saved']} by `attach`, "
        f"{end.endings['save failed']} saves said to save again; memory {grown:+.0f} MB in the second half, "
        f"{len(told)} warnings"
    )


def _lost(fault: Fault) -> Outcome:
    return play(partial(stories.answer_lost, fault=fault))


def _found(end: Outcome, faults: int) -> Verdict:
    return (end.paid, end.whole, end.faults) == (1, 1, faults), f"{end.paid} paid, {end.whole} found and saved"


def _sum(name: str, ends: list[Outcome]) -> int:
    return sum(getattr(end, name) for end in ends)


def _counts(name: str, ends: list[Outcome], word: str | None = None) -> str:
    """`1 paid`, or `1 to 2 paid`."""
    counts = [getattr(end, name) for end in ends]
    low, high = min(counts), max(counts)
    return f"{low if low == high else f'{low} to {high}'} {name if word is None else word}".strip()


WAITS_ON: Final = "waits on, finishes"
WHOLE: Final = "whole file or none; resumed, not begun anew"
FOUND: Final = "1 paid, found"

ROWS: Final = (
    Row(
        "answer to create lost (reset, 500, 502, 504, client timeout), once",
        "1 paid, file saved",
        lost,
        "runwayml, lumaai, openai: **2 paid** (reset, 500, 502, timeout); klingai: **2 paid** (timeout not run); fal: "
        "**2 paid**, at 500 1 and raises; replicate: 1 paid, raises (ignores the timeout); 504 not measured",
    ),
    Row(
        "the same ten times in a row",
        "1 paid, file saved or `CreateInDoubt` with a reference that works",
        lost_ten_times,
        "fal: **9 paid in 25 s, still going**; runwayml, lumaai, openai, klingai: **3 paid** + error; replicate: "
        "1 paid + error",
    ),
    Row("lost, then the second send refused with 1102", FOUND, lambda: second_send_refused(1102)),
    Row("the same with 1303", FOUND, lambda: second_send_refused(1303)),
    Row("the same with 1301", FOUND, lambda: second_send_refused(1301)),
    Row("lost, and the task shows only after 10 s", FOUND, shows_late),
    Row(
        "lost with a user's own id that an old task has",
        "conflict that names it, nothing adopted",
        id_of_an_old_task,
    ),
    Row(
        "20 tasks, `concurrency=20`, account runs 5",
        "20 of 20, within 15 % of ideal, at most 30 create requests",
        smaller_account,
        "runwayml, lumaai, replicate, openai: **5 of 20**; klingai: **10 of 20**; fal: 20 of 20, 110 create requests, "
        "20.7 s (ideal 12 s)",
    ),
    Row(
        "two clients, 20 tasks each, account runs 6",
        "40 of 40; when one is done the other has at least 25 % of its own",
        lambda: two_clients(20),
    ),
    Row("a limit reached on one model", "other models run on", limit_of_one_model),
    Row(
        "1102: the account is empty",
        "who waits fails at once, no more requests than were in flight (5); the next submit tries afresh",
        empty_account,
    ),
    Row(
        "polls: 4 drops in a row",
        WAITS_ON,
        lambda: polls("4 drops in a row"),
        "fal: ok; replicate **dies at the 1st**; runwayml, lumaai, openai, klingai **die**",
    ),
    Row(
        "polls: one 500",
        WAITS_ON,
        lambda: polls("one 500"),
        "fal, replicate **die**; runwayml, lumaai, openai, klingai: ok",
    ),
    Row("polls: one 401/1004", WAITS_ON, lambda: polls("one 401/1004"), "all six **die**"),
    Row("polls: 1302 at each third", WAITS_ON, lambda: polls("1302 at each third")),
    Row(
        "download: half a body with a clean end",
        WHOLE,
        lambda: download(stories.DOWNLOADS["half a body, clean end"]),
        "replicate, openai, klingai: **accepted as complete**; the others leave downloads to you",
    ),
    Row(
        "download: reset at half",
        WHOLE,
        lambda: download(stories.DOWNLOADS["reset at half"]),
        "replicate, openai: raise, **half a file left**; klingai: raises; the others leave downloads to you",
    ),
    Row("download: HTML with 200", WHOLE, lambda: download(stories.DOWNLOADS["HTML with 200"])),
    Row("download: stall at half", WHOLE, lambda: download(stories.DOWNLOADS["stall at half"])),
    Row(
        "1,000 tasks, 20 % of all calls with faults that pass, of every kind",
        "1,000 paid, 1,000 files with the right SHA-256, no warning, memory flat",
        lambda: everything(1000),
    ),
)


def main() -> int:
    """Measures row by row, and tells whether all of them hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    write = parser.parse_args().write
    logging.getLogger("kling_async").setLevel(logging.ERROR)
    lines = [f"| fault | must be | kling_async | peers (measured {MEASURED}) |", "|---|---|---|---|"]
    failed = 0
    for row in ROWS:
        began = time.perf_counter()
        holds, figures = row.measure()
        failed += not holds
        lines.append(f"| {row.fault} | {row.must_be} | {'' if holds else '**no:** '}{figures} | {row.peers} |")
        print(f"{'ok  ' if holds else 'FAIL'} {time.perf_counter() - began:6.1f} s  {row.fault}", file=sys.stderr)
    table = "\n".join(lines) + "\n"
    print(table)
    if write:
        text = README.read_text(encoding="utf-8")
        README.write_text(SECTION.sub(lambda _: table, text), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
