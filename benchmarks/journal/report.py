"""The report on the journal: goals first, then the figures of each part."""

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from benchmarks.figures import Goal, Spread, number, table
from benchmarks.journal.pairs import KINDS
from benchmarks.report import goals_table, processor
from benchmarks.work.report import good

Data = Mapping[str, Any]

CPU: Final = 1.15
STALL: Final = 1.2
SYNCS: Final = 1 / 20
OPENING: Final = 2.0
BYTES: Final = 400

GOALS: Final = {
    "cpu": ("CPU per task, {count} tasks at once, with the journal over without", f"at most {CPU:g} x"),
    "stall": ("worst stall of the loop, the same", f"at most {STALL:g} x"),
    "cpu saved": ("CPU per task, the same with a file of 1 MiB saved", f"at most {CPU:g} x"),
    "stall saved": ("worst stall of the loop, the same with a file", f"at most {STALL:g} x"),
    "syncs": ("syncs of the disk per create, {count} creates that come together", f"at most {SYNCS:g}"),
    "opening": ("opening a journal of 1,000,000 entries over one of 1,000", f"at most {OPENING:g} x"),
    "bytes": ("bytes an entry beyond the request's own text", f"at most {BYTES}"),
}
"""Name and goal of each row, whether or not it could be measured."""
FIGURES: Final = {
    "CPU per task, ms": "cpu_ms",
    "of that until all are created, ms": "create_ms",
    "worst stall, ms": "stall_ms",
    "requests per task": "requests",
    "peak memory, MB": "memory_mb",
}

_HOW: Final = """
## How

Ratios are of pairs: two runs, one after the other, one of them with the journal, in alternating order. All tasks are
created at once, end {shortest:g} to {longest:g} s later and are polled every {beat:g} s; the server is another process
of this machine, the CPU the client process's, its journal's thread included. A stall is one turn of the event loop.
With the journal each task has a key and a target. Figures are medians, with the lowest and the highest. The machine
did other things too: the load is that of the minute before each pair.

Syncs are the calls of `fsync` and `fdatasync` that `strace` recorded for the client process, from the first of {count}
creates at once until the last acceptance was on disk. A picture given as bytes is a file next to the journal until its
task is accepted: these files, and their directory, are synced as well.

Journals are filled as by a batch, {together} tasks under way at a time; {unfinished} of their tasks have ended and are
not saved. Opening is the time from a new client until `recover()` has returned these, in one process, the two sizes in
turn. An entry is that of a saved task with a key of 15 letters, a target and one file with its digest; the request's
own text is its JSON in the journal.
"""


def page(data: Data, about: Mapping[str, Any]) -> str:
    """Returns the whole page.

    Args:
        data: Figures of each part, or `{"error": ...}`.
        about: Date and options.
    """
    machine = f"{os.cpu_count()} cores ({processor()}), {platform.system()}, Python {platform.python_version()}"
    loads = [pair["load"] for pairs in _kinds(data).values() for pair in pairs]
    load = f" Load {Spread(loads)}." if loads else ""
    parts = [
        "# What the journal costs\n\nWritten by `nox -s journal`; nothing here is typed in by hand.",
        f"{machine}. Measured {about['measured']}, in {number(about['seconds'])} s.{load}",
        goals_table(goals(data)),
        *_pairs(data),
        *_syncs(data.get("syncs", {})),
        *_large(data.get("large", {})),
        *_intents(data.get("intents", {})),
        *(f"not measured: {name}: {part['error']}" for name, part in data.items() if "error" in part),
        _HOW.strip().format(**about),
    ]
    return "\n\n".join(parts) + "\n"


def goals(data: Data) -> list[Goal]:
    """Returns the goals with their measured figures."""
    found: dict[str, tuple[str, float]] = {}
    for kind, suffix in (("waiting", ""), ("saving", " saved")):
        pairs = _whole(data, kind)
        if pairs:
            for name, key, most in (("cpu", "cpu_ms", CPU), ("stall", "stall_ms", STALL)):
                ratio = _ratio(pairs, key)
                halves = f"{_half(pairs, 'kept', key).text(2)} ms against {_half(pairs, 'without', key).text(2)} ms"
                found[name + suffix] = f"{ratio.text(2)} x ({halves})", ratio.median / most - 1
    syncs, large = data.get("syncs", {}), data.get("large", {})
    if "runs" in syncs:
        each = _per_create(syncs, "address", "journal")
        found["syncs"] = each.text(3), each.median / SYNCS - 1
    if "sizes" in large:
        few, many = (Spread(size["openings"]) for size in large["sizes"].values())
        larger = many.median / few.median
        found["opening"] = f"{larger:.2f} x ({_ms(many)} ms against {_ms(few)} ms)", larger / OPENING - 1
        beyond = {kind: _beyond(weight, "kept") for kind, weight in large["weights"].items()}
        texts = ", ".join(f"{bytes_:.0f} where the picture is given by {kind}" for kind, bytes_ in beyond.items())
        found["bytes"] = texts, max(beyond.values()) / BYTES - 1
    count = data.get("pairs", {}).get("count", 500)
    made = {key: Goal(name.format(count=count), goal) for key, (name, goal) in GOALS.items()}
    return [
        attrs.evolve(goal, measured=found[key][0], excess=found[key][1]) if key in found else goal
        for key, goal in made.items()
    ]


def _pairs(data: Data) -> list[str]:
    sections = []
    for kind, pairs in _kinds(data).items():
        whole = _whole(data, kind)
        rows = [
            [title, _half(whole, "without", key), _half(whole, "kept", key), _ratio(whole, key).text(2)]
            for title, key in FIGURES.items()
            if whole and key in whole[0]["kept"]
        ]
        title = f"**{data['pairs']['count']} tasks at once, {KINDS[kind].name}** ({len(whole)} pairs"
        title += f" of {len(pairs)} whole)" if len(whole) < len(pairs) else ")"
        sections.append(f"{title}\n\n" + table(["", "without", "with the journal", "ratio"], rows))
    if sections and "digest" in data["pairs"]:
        digest = number(1e3 * data["pairs"]["digest"])
        sections.append(f"The journal stores the digest of saved files: SHA-256 of 1 MiB takes {digest} ms here.")
    return sections


def _syncs(data: Data) -> list[str]:
    if "runs" not in data:
        return []
    rows = [
        [f"pictures by {kind}" if kind == "address" else f"pictures as {kind}"]
        + [_per_create(data, kind, file).text(3) for file in ("journal", "other")]
        for kind in data["runs"]
    ]
    header = [f"syncs per create, {data['count']} at once", "of the journal", "of files beside it"]
    return [table(header, rows)]


def _large(data: Data) -> list[str]:
    if "sizes" not in data:
        return []
    rows = [
        [f"{int(size):,}", _ms(Spread(of["openings"])), *(number(1e3 * seconds) for seconds in of["keys"].values())]
        for size, of in data["sizes"].items()
    ]
    header = ["entries", "opening and `recover()`, ms", "a key that is saved, ms: in turn", "at once"]
    weights = [
        [f"picture by {kind}", f"{of['entries']:,}", *(f"{figure:.0f}" for figure in _weights(of))]
        for kind, of in data["weights"].items()
    ]
    columns = ["", "entries", "bytes an entry", "beyond what is kept of the request", "beyond what was given of it"]
    return [table(header, rows), table(columns, weights)]


def _intents(data: Data) -> list[str]:
    if "waits" not in data:
        return []
    rows = [
        [processes, *(f"{1e3 * waits[int(share * (len(waits) - 1))]:.1f}" for share in (0.5, 0.99, 1))]
        for processes, waits in data["waits"].items()
    ]
    header = ["processes", "median, ms", "p99, ms", "longest, ms"]
    title = (
        f"How long an intent waits for the disk; each process writes one every {1e3 * data['apart']:g} ms, and notes:"
    )
    return [f"{title}\n\n" + table(header, rows)]


def _kinds(data: Data) -> Mapping[str, Sequence[Data]]:
    kinds: Mapping[str, Sequence[Data]] = data.get("pairs", {}).get("kinds", {})
    return kinds


def _whole(data: Data, kind: str) -> list[Data]:
    """Returns the pairs of which both halves count."""
    return [pair for pair in _kinds(data).get(kind, []) if len(good([pair["without"], pair["kept"]])) == 2]


def _half(pairs: Sequence[Data], half: str, key: str) -> Spread:
    return Spread(pair[half][key] for pair in pairs)


def _ratio(pairs: Sequence[Data], key: str) -> Spread:
    return Spread(pair["kept"][key] / pair["without"][key] for pair in pairs)


def _per_create(data: Data, kind: str, file: str) -> Spread:
    return Spread(run[file] / data["count"] for run in data["runs"][kind])


def _beyond(weight: Data, text: str) -> float:
    return float((weight["bytes"] - weight[text]) / weight["entries"])


def _weights(weight: Data) -> tuple[float, float, float]:
    return weight["bytes"] / weight["entries"], _beyond(weight, "kept"), _beyond(weight, "given")


def _ms(seconds: Spread) -> Spread:
    return Spread(1e3 * value for value in seconds.values)
