"""Checks that the package works where it was installed with one extra alone (`nox -s extras`).

Run by the Python of an environment that holds nothing else, which is why all here is of the standard library.
"""

import importlib.metadata
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

CAT = Path(__file__).parents[1] / "examples" / "images" / "cat.png"
COMMAND = str(Path(sysconfig.get_path("scripts"), "kling-async"))
RENDERS = "emulator-video"
FOR = {"": "kling_async", "cli": "rich", RENDERS: "av", "testing": "pytest", "opentelemetry": "opentelemetry"}
FOR |= {"fleet": "psycopg"}
"""What can be imported with an extra, and not without it."""
BRINGS = {"": {""}, "fleet": {"", "fleet", "cli"}}  # PgQueuer has a command of its own, which needs rich, too
"""Of which extras the modules can be imported with one; else of none and of itself."""


def main(extra: str) -> None:
    """Exits with an error if it does not.

    Args:
        extra: that was installed; empty for none.
    """
    if "kling_async" not in {path.name for path in Path(sysconfig.get_path("purelib")).iterdir()}:
        sys.exit("what is tested is not what was installed")
    _run(sys.executable, "-m", "pip", "check")
    installed = importlib.metadata.version("kling-async")
    if _run(COMMAND, "--version") != f"kling-async {installed}\n":
        sys.exit("the command tells another version than what is installed")
    brought = BRINGS.get(extra, {"", extra})
    for each, module in FOR.items():
        there = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False)
        if (there.returncode == 0) is not (each in brought):
            sys.exit(f"with the extra {extra!r}, {module} must{'' if each in brought else ' not'} be importable")
    with tempfile.TemporaryDirectory() as place:
        clip = Path(place, "clip.mp4")
        words = ("generate", str(CAT), "-o", str(clip), "--prompt", "the cat turns its head", "--emulator")
        errors = subprocess.run([COMMAND, *words], capture_output=True, text=True, check=True, timeout=120).stderr
        if clip.read_bytes()[4:8] != b"ftyp":
            sys.exit("what was generated is no MP4")
        if (f"kling-async[{RENDERS}]" in errors) is (extra == RENDERS):
            sys.exit(f"what is said of rendering does not fit: {errors}")
    sys.stdout.write(f"{installed} with {extra or 'no extra'}: a clip was made\n")


def _run(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120).stdout


if __name__ == "__main__":
    main(sys.argv[1])
