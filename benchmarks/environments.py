"""A virtual environment for each measured client, with its newest version."""

import json
import subprocess
import sys
import venv
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]

REQUIREMENTS: Final = {
    "kling_async": [str(REPOSITORY)],
    "aiohttp": ["aiohttp"],
    "runwayml": ["runwayml[aiohttp]"],
    "lumaai": ["lumaai"],
    "fal": ["fal-client"],
    "openai": ["openai"],
}
"""Requirements by the name of the environment."""
SHOWN: Final = ("kling-async", "runwayml", "lumaai", "fal-client", "openai", "aiohttp", "httpx-aiohttp", "httpx")
"""Distributions whose versions the report shows, where they are installed."""
_LIST: Final = """
import importlib.metadata, json
print(json.dumps({found.metadata["Name"].lower().replace("_", "-"): found.version
                  for found in importlib.metadata.distributions()}))
"""


def make(directory: Path) -> dict[str, Path]:
    """Makes or renews all environments at once; returns the interpreter of each that could be made.

    Args:
        directory: Of the environments.
    """
    with ThreadPoolExecutor() as pool:
        made = pool.map(lambda name: _one(directory / name, REQUIREMENTS[name]), REQUIREMENTS)
        return {name: python for name, python in zip(REQUIREMENTS, made, strict=True) if python is not None}


def versions(environments: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Returns the distributions and versions of each environment, for the report."""
    return {name: _versions(python) for name, python in environments.items()}


def _versions(python: Path) -> dict[str, str]:
    # Isolated, so that packages in the current directory are not found.
    ran = subprocess.run([python, "-I", "-c", _LIST], capture_output=True, check=True)
    installed = json.loads(ran.stdout)
    return {name: installed[name] for name in SHOWN if name in installed}


def _one(directory: Path, requirements: list[str]) -> Path | None:
    python = directory / "bin" / "python"
    if not python.exists():
        venv.create(directory, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--upgrade", *requirements]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        print(f"{directory.name} cannot be installed: {installed.stderr.strip()[-500:]}", file=sys.stderr)
        return None
    return python
