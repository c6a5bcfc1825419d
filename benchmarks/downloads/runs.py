"""Runs in turn against one server: `kling_async`, a plain loop that keeps nothing, `curl` with and without files."""

import collections
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

HERE: Final = Path(__file__).parent
FILE_BYTES: Final = 20_000_000
FILES: Final = {1: 8, 32: 32}
"""Number of files, by how many are downloaded at once."""
KEEP_NOTHING: Final = frozenset({"by hand", "discard"})
REPETITIONS: Final = 5
"""Runs that count, after a first one that only warms up caches."""

Run = dict[str, float]
"""`seconds`, `cpu` seconds and `bytes`; where there is an event loop also its worst `lag`, in seconds."""


@attrs.frozen
class Stage:
    """The surroundings of a run.

    Attributes:
        url: Of the server.
        directory: For the files; made anew for each run.
        python: Interpreter for our client.
    """

    url: str
    directory: Path
    python: Path


def measure(
    environments: Mapping[str, Path],
    *,
    file_bytes: int = FILE_BYTES,
    files: Mapping[int, int] = FILES,
    repetitions: int = REPETITIONS,
) -> dict[str, Any]:
    """Makes all runs.

    Args:
        environments: Interpreters by client; for `kling_async` this one by default.
        file_bytes: Size of each file.
        files: Number of files, by how many at once.
        repetitions: Runs that count.

    Returns:
        The figures of all runs by number at once and client, with `curl` only where it is installed; and the kind of
        file system of the files.
    """
    clients = {"kling_async": _ours, "by hand": _by_hand}
    if shutil.which("curl") and shutil.which("sync"):
        clients |= {"curl": _curl, "discard": _discard}
    runs: dict[str, dict[str, list[Run]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as text:
        place, python = Path(text), environments.get("kling_async", Path(sys.executable))
        with _server(place / "movie.mp4", file_bytes) as url:
            for repetition in range(1 + repetitions):
                for streams, count in files.items():
                    for name, client in clients.items():
                        run = _run(client, Stage(url, place / "files", python), streams, count)
                        assert run["bytes"] == (0 if name in KEEP_NOTHING else count * file_bytes)
                        if repetition:
                            runs[str(streams)][name].append(run | {"bytes": count * file_bytes})
        kind = _file_system(place)
    return {"file_bytes": file_bytes, "file_system": kind, "runs": runs}


def _file_system(directory: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(directory)]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "of unknown kind"


def _run(client: Callable[[Stage, int, int], Run], stage: Stage, streams: int, files: int) -> Run:
    """Makes one run into an empty directory, after all earlier writes have reached the disk."""
    stage.directory.mkdir()
    os.sync()
    try:
        run = client(stage, streams, files)
        return run | {"bytes": sum(path.stat().st_size for path in stage.directory.glob("*.mp4"))}
    finally:
        shutil.rmtree(stage.directory)


def _ours(stage: Stage, streams: int, files: int) -> Run:
    return _in_python("save", stage, streams, files)


def _by_hand(stage: Stage, streams: int, files: int) -> Run:
    return _in_python("discard", stage, streams, files)


def _in_python(what: str, stage: Stage, streams: int, files: int) -> Run:
    command = [str(stage.python), str(HERE / "client.py"), what, stage.url, str(stage.directory)]
    command += [str(streams), str(files)]
    run: Run = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return run


def _curl(stage: Stage, streams: int, files: int) -> Run:
    """Runs `curl` in its fastest way: one process for files in turn, one per file for files at once."""
    fetched = {str(stage.directory / f"{number}.mp4"): f"{stage.url}/{number}.mp4" for number in range(files)}
    if streams == 1:
        outputs = [argument for path, url in fetched.items() for argument in ("-o", path, url)]
        return _timed(["curl", "-s", *outputs], ["sync", *fetched])
    jobs = [f"(curl -s -o {path} {url} && sync {path}) &" for path, url in fetched.items()]
    return _timed(["sh", "-c", " ".join([*jobs, "wait"])])


def _discard(stage: Stage, streams: int, files: int) -> Run:
    outputs = [argument for number in range(files) for argument in ("-o", "/dev/null", f"{stage.url}/{number}.mp4")]
    parallel = ["-Z", "--parallel-immediate", "--parallel-max", str(streams)] if streams > 1 else []
    return _timed(["curl", "-s", *parallel, *outputs])


def _timed(*commands: list[str]) -> Run:
    began, worked = time.perf_counter(), _children()
    for command in commands:
        subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
    return {"seconds": time.perf_counter() - began, "cpu": _children() - worked}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _server(movie: Path, file_bytes: int) -> Iterator[str]:
    command = [sys.executable, str(HERE / "server.py"), str(movie), str(file_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
