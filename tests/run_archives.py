"""Checks that wheel and source archive contain exactly the files they should (`nox -s build`)."""

import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGE = "kling_async/"
PLUGIN = "kling_async/testing/plugin/"
"""What is a module by itself where the wheel is installed."""
METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


def main(wheel: str, archive: str, *tracked: str) -> None:
    """Exits with an error if one of them does not.

    Args:
        wheel: its path.
        archive: that of the source archive.
        tracked: the files that git has.
    """
    name = Path(archive).name.removesuffix(".tar.gz")
    with tarfile.open(archive) as files:
        compare(archive, {f"{name}/{each}" for each in (*tracked, "PKG-INFO")}, files.getnames())
    package = {
        each.removeprefix(PLUGIN) for each in tracked if each.startswith(PACKAGE) and not each.endswith("ruff.toml")
    }
    with zipfile.ZipFile(wheel) as packed:
        compare(wheel, package | {f"{name}.dist-info/{each}" for each in METADATA}, packed.namelist())


def compare(archive: str, expected: set[str], names: list[str]) -> None:
    """Exits with an error if names are missing or unexpected."""
    if sorted(expected) != sorted(names):
        missing, others = sorted(expected - {*names}), sorted({*names} - expected)
        sys.exit(f"{archive}: missing {missing}, too many {others}")


if __name__ == "__main__":
    main(*sys.argv[1:])
