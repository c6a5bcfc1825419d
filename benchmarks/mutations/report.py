"""The table of mutants."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.mutations.operators import Mutant
from benchmarks.mutations.runs import Result

LONGEST: Final = 90
"""Maximum length of a shown text."""
PAGE: Final = """\
# Mutations

Written by `nox -s mutations`: small changes, made on purpose and one at a time, to the code that decides about polling,
retries and creates (`mutations/files.txt`). A mutant is caught when one of the tests that run the changed line fails or
hangs (those of the emulator, the shell command and the benchmarks, and the slow ones, are not run).

**{caught} of {counted} caught ({share:.0f} %)**, drawn from {of} by a fixed seed. {equivalent} more that were drawn
change nothing that could be observed.
"""


def markdown(drawn: Sequence[Mutant], results: Mapping[str, Result], equivalent: Mapping[str, str], of: int) -> str:
    """Returns the page: the numbers of caught mutants by operator, and a list of all mutants."""
    counted = [mutant for mutant in drawn if mutant.id not in equivalent]
    caught = [mutant for mutant in counted if results[mutant.id].verdict != "survived"]
    survived = [mutant for mutant in counted if results[mutant.id].verdict == "survived"]
    share = 100 * len(caught) / len(counted) if counted else 0
    parts = [
        PAGE.format(caught=len(caught), counted=len(counted), share=share, of=of, equivalent=len(drawn) - len(counted)),
        _by_operator(counted, caught),
        "## Survived\n\n" + _table(survived, results),
        "## Caught\n\n" + _table(caught, results),
    ]
    if len(counted) < len(drawn):
        rows = [f"| {_place(each)} | {equivalent[each.id]} |" for each in drawn if each.id in equivalent]
        parts.append("\n".join(["## Change nothing\n", "| where | why |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def _by_operator(counted: Sequence[Mutant], caught: Sequence[Mutant]) -> str:
    every, good = Counter(each.operator for each in counted), Counter(each.operator for each in caught)
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
