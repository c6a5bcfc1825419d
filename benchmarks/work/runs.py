"""One run: a fresh server, a fresh client process, and the figures of both."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.clients.options import MEASURED
from benchmarks.work.mp4 import mp4

FILE_BYTES: Final = 2**20
REPOSITORY: Final = Path(__file__).parents[2]
PROBE_SECONDS: Final = 0.05
PROBE_TIMEOUT: Final = 30.0
"""Seconds; a failed probe counts as this long."""
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@attrs.frozen
class Case:
    """A way to do the work.

    Attributes:
        name: In the tables.
        environment: Of the client.
        client: Module and function below `benchmarks.clients`.
        beat: Seconds between polls; None for the client's default.
        warm_up: Tasks that the same client makes before the measurement.
    """

    name: str
    environment: str
    client: str
    beat: float | None = None
    warm_up: int = 0


@attrs.frozen
class Stage:
    """The settings shared by all runs.

    Attributes:
        directory: For files.
        shortest: Seconds of the shortest task.
        longest: Seconds of the longest task.
        held: Whether tasks begin only when the client releases them.
        timeout: Seconds after which a client is killed.
        certificate: For TLS, with its key; None where no client needs it.
        authority: That signed it.
    """

    directory: Path
    shortest: float = 8.0
    longest: float = 16.0
    held: bool = False
    timeout: float = 180.0
    certificate: Path | None = None
    authority: Path | None = None

    def video(self) -> Path:
        """Returns the file of every task, which is made on first use."""
        path = self.directory / "video.mp4"
        if not path.exists():
            path.write_bytes(mp4(FILE_BYTES))
        return path


def run(case: Case, count: int, environments: Mapping[str, Path], stage: Stage) -> dict[str, Any]:
    """Makes one run; returns its figures, or `{"error": ...}`."""
    if case.environment not in environments:
        return {"error": "not installed"}
    with served(stage) as site, probed(site["url"]) as answers, tempfile.TemporaryDirectory(dir=stage.directory) as out:
        options = {**site, "count": count, "beat": case.beat, "warm_up": case.warm_up, "out": out}
        client = answered(case, environments[case.environment], options, stage)
        if "error" in client:
            return client
        server = seen(site["url"])
        whole = _whole(Path(out) / MEASURED, stage.video().read_bytes())
    return figures(client, server, count) | slowness(answers) | {"whole": whole}


def seen(url: str) -> dict[str, Any]:
    """Returns the server's figures of the round."""
    with _DIRECT.open(f"{url}/_figures", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def figures(client: dict[str, Any], server: dict[str, Any], count: int) -> dict[str, Any]:
    """Combines the figures of client and server."""
    done = server["done"]
    lags = sorted(moment - done[task_id] for task_id, moment in client["detected"].items() if task_id in done)
    return {
        "cpu_ms": 1000 * client["cpu"] / count,
        "requests": sum(server["requests"].values()) / count,
        "kinds": server["requests"],
        "lag_mean": statistics.fmean(lags) if lags else None,
        "lag_p95": p95(lags),
        "lag_worst": lags[-1] if lags else None,
        "wall": client["end"] - client["start"],
        "over_ideal": (client["end"] - client["start"]) / server["longest"],
        "memory_mb": client["memory"] / 1e6,
        "stall_ms": 1000 * client["stall"],
        "tasks": len(server["created"]),
        "count": count,
        "ended": len(lags),
        "errors": client["errors"],
        "server_cpu": server["cpu"] / server["seconds"],
    }


def p95(values: list[float]) -> float | None:
    """Returns the 95th percentile; None where there are no values."""
    return sorted(values)[int(0.95 * (len(values) - 1))] if values else None


def answered(
    case: Case, python: Path, options: dict[str, Any], stage: Stage, program: str = "benchmarks.clients"
) -> dict[str, Any]:
    """Runs a client process; returns its figures, or `{"error": ...}`."""
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "NO_PROXY": "127.0.0.1",
        "FAL_QUEUE_RUN_HOST": options["tls"],
    }
    if stage.authority is not None:
        environment["SSL_CERT_FILE"] = str(stage.authority)
    command = [str(python), "-m", program, case.client, json.dumps(options)]
    try:
        ended = subprocess.run(
            command,
            cwd=stage.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=stage.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {stage.timeout:g} s"}
    if ended.returncode != 0:
        return {"error": (ended.stderr.strip().splitlines() or ["no word"])[-1]}
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures


@contextlib.contextmanager
def served(stage: Stage) -> Iterator[dict[str, str]]:
    """Runs a server in a separate process; yields its addresses."""
    options = {
        "file": str(stage.video()),
        "shortest": stage.shortest,
        "longest": stage.longest,
        "held": stage.held,
        "certificate": str(stage.certificate) if stage.certificate else None,
    }
    command = [sys.executable, "-m", "benchmarks.work.server", json.dumps(options)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


@contextlib.contextmanager
def probed(url: str) -> Iterator[list[float]]:
    """Sends the server trivial requests at a fixed interval, from this process; yields the seconds of each answer.

    Requests that become due while another answer is awaited count with their delay.
    """
    answers: list[float] = []
    ended = threading.Event()

    def probe() -> None:
        due = time.perf_counter()
        while not ended.wait(max(0.0, due - time.perf_counter())):
            try:
                _DIRECT.open(f"{url}/_probe", timeout=PROBE_TIMEOUT).close()
                answers.append(time.perf_counter() - due)
            except OSError:
                answers.append(PROBE_TIMEOUT)
            due += PROBE_SECONDS
            while due < (now := time.perf_counter()):
                answers.append(now - due)
                due += PROBE_SECONDS

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def slowness(answers: list[float]) -> dict[str, float | None]:
    """Returns how long the server took for an answer; None where there were no requests."""
    late, worst = p95(answers), max(answers, default=None)
    return {
        "probe_ms": None if late is None else 1000 * late,
        "probe_worst_ms": None if worst is None else 1000 * worst,
    }


def _whole(directory: Path, video: bytes) -> int:
    """Returns the number of complete files under their final names."""
    if not directory.is_dir():
        return 0
    return sum(path.suffix == ".mp4" and path.read_bytes() == video for path in directory.iterdir())
