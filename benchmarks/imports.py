"""Measures start-up: `import X` in a fresh interpreter, and import with first client, against aiohttp and the peers.

Each run is a separate process, timed from outside, with its modules compiled before. The runs take turns, so that other
load of the machine affects all alike. Linux only.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Goal, Spread, table

GOAL: Final = 1.15
"""Maximum, as a multiple of the time of importing aiohttp."""
BUDGET: Final = 32.0
"""Seconds after which no further round is started."""

BARE: Final = "no import"
OURS: Final = "kling_async"
BESIDE: Final = "aiohttp"

MODULES: Final = {
    BESIDE: "aiohttp",
    OURS: "kling_async",
    "runwayml": "runwayml",
    "lumaai": "lumaai",
    "fal": "fal_client",
    "openai": "openai",
}
CLIENTS: Final = {
    BESIDE: "async with aiohttp.ClientSession(): pass",
    OURS: "async with kling_async.KlingClient(api_key='x'): pass",
    "runwayml": "async with runwayml.AsyncRunwayML(api_key='x'): pass",
    "lumaai": "async with lumaai.AsyncLumaAI(auth_token='x'): pass",
    "fal": "fal_client.AsyncClient(key='x')",  # has nothing to close
    "openai": "async with openai.AsyncOpenAI(api_key='x'): pass",
}

FIRST_CLIENT: Final = """
import asyncio, {module}
async def main():
    {client}
asyncio.run(main())
"""
SIZE: Final = """
{importing}
import os, sys
with open("/proc/self/statm") as file:
    print(len(sys.modules), int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE"))
"""


def measure(environments: Mapping[str, Path], rounds: int = 5, pairs: int = 3) -> dict[str, Any]:
    """Runs all imports.

    Args:
        environments: interpreters by the name of the package. `aiohttp` and `kling_async` use this one by default; a
            peer without an interpreter, or that fails to run there, is missing.
        rounds: number of rounds; in each, everything runs once.
        pairs: imports of `aiohttp` and of `kling_async` in each round, one after the other.
    """
    ends_at = time.monotonic() + BUDGET
    pythons = {name: environments.get(name, sys.executable) for name in (BESIDE, OURS)}
    pythons |= {name: environments[name] for name in MODULES if name in environments}
    sizes = {name: size for name, python in pythons.items() if (size := _size(python, name)) is not None}
    peers = [name for name in sizes if name not in {BESIDE, OURS}]
    imports: dict[str, list[float]] = {name: [] for name in (BARE, *sizes)}
    clients: dict[str, list[float]] = {name: [] for name in sizes}
    for number in range(rounds):
        if number and time.monotonic() > ends_at:
            break
        imports[BARE].append(_seconds(pythons[OURS], "pass"))
        for name in [*[BESIDE, OURS] * pairs, *peers]:
            imports[name].append(_seconds(pythons[name], _import(name)))
        for name, seconds in clients.items():
            seconds.append(_seconds(pythons[name], _first_client(name)))
    return {
        "import": imports,
        "first client": clients,
        "modules": {name: modules for name, (modules, _) in sizes.items()},
        "bytes": {name: resident for name, (_, resident) in sizes.items()},
        "missing": [name for name in MODULES if name not in sizes],
    }


def markdown(data: Mapping[str, Any]) -> str:
    """Returns the section of the report."""
    header = ["", "import, ms", "import and first client, ms", "modules imported", "memory after import, MB"]
    rows: list[list[object]] = [
        [
            name,
            _milliseconds(seconds),
            _milliseconds(data["first client"].get(name, ())),
            data["modules"].get(name, ""),
            f"{data['bytes'][name] / 1e6:.0f}" if name in data["bytes"] else "",
        ]
        for name, seconds in data["import"].items()
    ]
    rows += [[name, "missing", "", "", ""] for name in data["missing"]]
    return f"""## Import and first client

Wall time of a whole process, a fresh interpreter from its start to its end, so that the time of the bare interpreter
(`{BARE}`) is in every row: median (lowest to highest) of {len(data["import"][OURS])}
imports of aiohttp and kling_async, in turn, and of fewer runs of all else. A client is made inside a running loop
and closed; it sends nothing. For kling_async the client is imported, since the package alone imports nothing.

{table(header, rows)}

Time of importing kling_async, as a multiple of that of aiohttp, which it imports: {_measured(data)}.
"""


def goals(data: Mapping[str, Any]) -> list[Goal]:
    """Returns the goal with its measured figure."""
    name, goal = "import, times aiohttp's own (whole processes)", f"at most {GOAL}"
    return [Goal(name, goal, _measured(data), _ratio(data) / GOAL - 1) if "import" in data else Goal(name, goal)]


def _import(name: str) -> str:
    """Returns the import; for `kling_async` that of the client, since the package itself imports lazily."""
    return "from kling_async import KlingClient" if name == OURS else f"import {MODULES[name]}"


def _first_client(name: str) -> str:
    return FIRST_CLIENT.format(module=MODULES[name], client=CLIENTS[name])


def _run(python: Path | str, script: str) -> str:
    # With bytecode caches, as in an installed package.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(python), "-P", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout


def _seconds(python: Path | str, script: str) -> float:
    began = time.perf_counter()
    _run(python, script)
    return time.perf_counter() - began


def _size(python: Path | str, name: str) -> tuple[int, int] | None:
    """Returns modules and bytes in memory after the import; None where it fails. Warms up import and client."""
    try:
        modules, resident = _run(python, SIZE.format(importing=_import(name))).split()
        _run(python, _first_client(name))
    except (OSError, subprocess.SubprocessError):
        if name in {BESIDE, OURS}:
            raise
        return None
    return int(modules), int(resident)


def _ratio(data: Mapping[str, Any], kind: str = "import", without: float = 0.0) -> float:
    """Returns the ratio of the medians, each less `without` seconds."""
    ours, beside = (Spread(data[kind][name]).median - without for name in (OURS, BESIDE))
    return ours / beside


def _measured(data: Mapping[str, Any]) -> str:
    """Returns the ratio with the range of the middle half of the pairs, and ratios by other definitions."""
    pairs = sorted(ours / beside for ours, beside in zip(data["import"][OURS], data["import"][BESIDE], strict=True))
    quarter = len(pairs) // 4
    bare = Spread(data["import"][BARE]).median
    return (
        f"{_ratio(data):.2f} (half of the pairs: {pairs[quarter]:.2f} to {pairs[-1 - quarter]:.2f}); "
        f"without the bare interpreter {_ratio(data, without=bare):.2f}; "
        f"import and first client {_ratio(data, 'first client'):.2f}"
    )


def _milliseconds(seconds: Sequence[float]) -> str:
    return str(Spread([1000 * value for value in seconds])) if seconds else ""
