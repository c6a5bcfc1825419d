"""Mutates the code that decides about polling, retries and creates, and checks whether tests fail.

    python -m benchmarks.mutations --work DIRECTORY            # 100 mutants, and writes MUTATIONS.md
    python -m benchmarks.mutations --work DIRECTORY --count 20 # and prints the page

An interrupted run is resumed, unless the package or its tests have changed meanwhile.
"""

import argparse
import time
from pathlib import Path
from typing import Final

from benchmarks.mutations.operators import Mutant, drawn, mutants
from benchmarks.mutations.report import markdown
from benchmarks.mutations.runs import Results, Runner, Trees

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parent / "MUTATIONS.md"
COUNT: Final = 100
SEED: Final = 1


def listed(path: Path) -> list[str]:
    """Returns the lines of a file that are no comments."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def sources() -> dict[str, str]:
    """Returns the files that are mutated, with their texts."""
    texts: dict[str, str] = {}
    for pattern in listed(HERE / "files.txt"):
        paths = sorted(ROOT.glob(pattern))
        if not paths:
            raise SystemExit(f"{pattern} of files.txt matches nothing: name the files as they are called now")
        texts |= {str(path.relative_to(ROOT)): path.read_text() for path in paths}
    return texts


def equivalent() -> dict[str, str]:
    """Returns the ids of mutants that are equivalent to the original, with the reason."""
    pairs = (line.partition(" ") for line in listed(HERE / "equivalent.txt"))
    return {mutant: reason.strip() for mutant, _, reason in pairs}


def main() -> None:
    """Draws, runs and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations")
    parser.add_argument("--work", type=Path, required=True, help="a directory for copies, logs and results")
    parser.add_argument("--count", type=int, default=COUNT, help="mutants that are drawn")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--only", nargs="*", default=[], help="ids of mutants that are run in place of drawn ones")
    parser.add_argument("--quick", action="store_true", help="skip the sequences of faults, run for survivors")
    chosen = parser.parse_args()
    texts = sources()
    possible = [mutant for path, text in texts.items() for mutant in mutants(path, text)]
    draw = [each for each in possible if each.id in chosen.only] if chosen.only else drawn(possible, chosen.count, SEED)
    known = run(draw, texts, chosen.work.resolve(), chosen.jobs, quick=chosen.quick)
    page = markdown(draw, known.known, equivalent(), len(possible))
    if chosen.count == COUNT and not chosen.only and not chosen.quick:
        PAGE.write_text(page)
    print(page)


def run(draw: list[Mutant], texts: dict[str, str], work: Path, jobs: int, *, quick: bool) -> Results:
    """Runs the mutants that have no result yet."""
    trees = Trees(ROOT, work, jobs)
    results = Results(work / ("quick.jsonl" if quick else "results.jsonl"), trees.digest)
    runner = Runner(trees, work / trees.digest[:10], quick=quick)
    began = time.monotonic()
    tests = runner.map_tests(list(texts), jobs)
    print(f"the tests pass, and their lines are known: {time.monotonic() - began:.0f} s", flush=True)
    skipped = equivalent().keys() | results.known.keys()
    wanted = {each: tests.tests_of(each, texts[each.path]) for each in draw if each.id not in skipped}
    for mutant, result in runner.run_all(wanted, jobs):
        results.add(result)
        where = f"{mutant.path}:{mutant.line} {mutant.operator}"
        print(f"{result.verdict:9}{result.seconds:6.1f} s  {where}  {result.by}", flush=True)
    return results


if __name__ == "__main__":
    main()
