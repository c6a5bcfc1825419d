"""The table of mutants."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.mutations.operators import Mutant
from benchmarks.mutations.runs import Result

LONGEST: Final = 90
"""Characters of a text that is shown."""
PAGE: Final = """\
# Mutations

Written by `nox -s mutations`: small mistakes, made on purpose and one at a time in what decides about polling, retries
and creates (`mutations/files.txt`). A mutant is caught when one of the tests fails or hangs that run the changed line
(those of the emulator, the shell command and the benchmarks, and the slow ones, are not tried).

**{caught} of {told} caught ({share:.0f} %)**, drawn from {of} by a fixed seed. {equivalent} more were drawn that change
nothing which could be observed.
"""


def markdown(drawn: Sequence[Mutant], results: Mapping[str, Result], equivalent: Mapping[str, str], of: int) -> str:
    """The page: how many are caught, by operator and one by one."""
    told = [mutant for mutant in drawn if mutant.id not in equivalent]
    caught = [mutant for mutant in told if results[mutant.id].verdict != "survived"]
    survived = [mutant for mutant in told if results[mutant.id].verdict == "survived"]
    share = 100 * len(caught) / len(told) if told else 0
    parts = [
        PAGE.format(caught=len(caught), told=len(told), share=share, of=of, equivalent=len(drawn) - len(told)),
        _by_operator(told, caught),
        "## Survived\n\n" + _table(survived, results),
        "## Caught\n\n" + _table(caught, results),
    ]
    if len(told) < len(drawn):
        rows = [f"| {_place(each)} | {equivalent[each.id]} |" for each in drawn if each.id in equivalent]
        parts.append("\n".join(["## Change nothing\n", "| where | why |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def _by_operator(told: Sequence[Mutant], caught: Sequence[Mutant]) -> str:
    every, good = Counter(each.operator for each in told), Counter(each.operator for each in caught)
    rows = [f"| {name} | {good[name]} of {count} |" for name, count in sorted(every.items())]
    return "\n".join(["| operator | caught |", "|---|--:|", *rows, ""])


def _table(some: Sequence[Mutant], results: Mapping[str, Result]) -> str:
    if not some:
        return "None.\n"
    rows = []
    for each in some:
        result = results[each.id]
        by = {"hung": "a test that hangs", "survived": f"{result.tests} tests run it"}.get(result.verdict)
        by = by or f"`{result.by.partition('[')[0].rpartition('::')[2]}`"
        rows.append(
            f"| `{each.id}` | {_place(each)} | {each.operator} | {_code(each.before)} | {_code(each.after)} | {by} |"
        )
    return "\n".join(["| id | where | operator | before | after | by |", "|---|---|---|---|---|---|", *rows, ""])


def _place(mutant: Mutant) -> str:
    return f"{mutant.path.removeprefix('kling_async/')}:{mutant.line}"


def _code(text: str) -> str:
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return "`" + text.replace("|", "\\|") + "`"
