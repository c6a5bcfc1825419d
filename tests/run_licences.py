"""Checks that LICENCES.md lists what is installed, with its licence (`nox -s licences`); `--write` updates the page."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, files
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = Path(__file__).parents[1] / "LICENCES.md"
MARKS = ("<!-- licences -->\n", "<!-- /licences -->")
OURS = "kling-async"
GPL = {"libx264", "libx265"}
"""What the page says is inside of PyAV's wheels."""
SAME = {"Apache 2.0": "Apache-2.0", "MIT License": "MIT", "BSD License": "BSD-3-Clause"}


def needed(name: str, extra: str) -> Iterator[tuple[str, str]]:
    """The installed packages that a package requires here with an extra, and with which extras of theirs."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield from ((canonicalize_name(requirement.name), each) for each in ("", *requirement.extras))


def reached(extra: str) -> set[str]:
    """All packages that this one installs with an extra, directly or through others."""
    found, new = set[tuple[str, str]](), {*needed(OURS, extra)}
    while new:
        found |= new
        new = {each for name, extra_of_it in new for each in needed(name, extra_of_it)} - found
    return {name for name, _ in found}


def licence(name: str) -> str:
    """The licence that a package states: by the expression, the field, or the classifier."""
    fields: Any = distribution(name).metadata
    classified = [each for each in fields.get_all("Classifier", []) if each.startswith("License ::")]
    text = fields.get("License-Expression") or fields.get("License") or "".join(classified[:1]).rpartition(" :: ")[2]
    line = text.strip().partition("\n")[0]
    return SAME.get(line, line) or sys.exit(f"{name} does not say its licence")


def table() -> str:
    """The rows of the page."""
    extras = distribution(OURS).metadata.get_all("Provides-Extra", [])
    always = reached("")
    with_ = {extra: reached(extra) - always for extra in extras}
    rows = ["| package | licence | comes with |\n|---|---|---|\n"]
    for name in sorted(always.union(*with_.values())):
        reasons = ", ".join(f"`{extra}`" for extra in extras if name in with_[extra])
        rows.append(f"| {name} | {licence(name)} | {reasons or 'always'} |\n")
    return "".join(rows)


def main(*options: str) -> None:
    """Exits with an error if the page differs from what is installed."""
    try:
        packed = {re.split("[-.]", each.name)[0] for each in files("av") or () if ".libs" in str(each)}
    except PackageNotFoundError:
        sys.exit("PyAV is not installed")
    if not packed >= GPL:
        sys.exit(f"PyAV's wheels do not hold {GPL - packed}: correct what the page says of it")
    before, _, rest = PAGE.read_text("utf-8").partition(MARKS[0])
    listed, _, after = rest.partition(MARKS[1])
    found = table()
    if "--write" in options:
        PAGE.write_text(f"{before}{MARKS[0]}{found}{MARKS[1]}{after}", "utf-8")
    elif listed != found:
        sys.exit(f"LICENCES.md lists something else than is installed; `nox -s licences -- --write` writes:\n{found}")


if __name__ == "__main__":
    main(*sys.argv[1:])
