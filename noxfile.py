"""Everything that is checked, by session: `nox` runs the tests, `nox -s lint types` the rest."""

import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["tests"]
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
ALL = ("-m", "slow or not slow")


def install(session: nox.Session, *groups: str, extras: str = "") -> None:
    """The package, with what the groups of `pyproject.toml` name."""
    session.install("-e", f".{extras}", *nox.project.dependency_groups(PROJECT, *groups))


@nox.session(python=[version for version in PYTHONS if shutil.which(f"python{version}")] or False)
def tests(session: nox.Session) -> None:
    """The whole test suite, what is slow too, on every supported Python that is there."""
    install(session, "test")
    session.run("pytest", "-n", "auto", *ALL, *session.posargs)


@nox.session(python=f"{sys.version_info.major}.{sys.version_info.minor}")
def coverage(session: nox.Session) -> None:
    """Every branch of the core is covered, and nearly all of the shell."""
    install(session, "test")
    session.run("coverage", "run", "-m", "pytest", *ALL, *session.posargs)
    session.run("coverage", "combine", success_codes=[0, 1])
    session.run("coverage", "report", "--include", "kling_async/protocol/*", "--fail-under", "100")
    session.run("coverage", "report", "--fail-under", "94")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, of tests and examples too, by two checkers."""
    install(session, "test", "types")
    session.install("nox")
    session.run("mypy")
    python = str(Path(session.virtualenv.location) / "bin" / "python")
    session.run("pyright", "--pythonpath", python)
    session.run("pyright", "--pythonpath", python, "--project", "tests/typing")  # as a user of what is installed


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The test suite with the lowest versions that `pyproject.toml` allows."""
    floors = [
        requirement.split(",", maxsplit=1)[0].replace(">=", "==") for requirement in PROJECT["project"]["dependencies"]
    ]
    install(session, "test")
    session.install(*floors)
    session.run("pytest", "-n", "auto", *ALL, *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """What comes of all that can go wrong, as a table; `nox -s faults -- --write` puts it into FAULTS.md and README."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.faults", *session.posargs)


@nox.session
def sequences(session: nox.Session) -> None:
    """Ten times as many sequences of faults as the test run has, more processes killed, all writes of a journal cut."""
    install(session, "test")
    more = {"KLING_ASYNC_SEQUENCES": "2000", "KLING_ASYNC_KILLS": "50", "KLING_ASYNC_CUTS": "1"}
    kills = ("tests/journal/test_killed.py", "tests/journal/test_cuts.py", "tests/batch/test_killed.py")
    session.run("pytest", "tests/adversity", *kills, *ALL, *session.posargs, env=more)


@nox.session
def mutations(session: nox.Session) -> None:
    """Whether the tests see small mistakes in what decides about polls, retries, creates: writes MUTATIONS.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.mutations", "--work", session.create_tmp(), *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Beside the peers, each in an environment of its own: writes `benchmarks/RESULTS.md` and its picture."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", "--work", session.create_tmp(), *session.posargs)


@nox.session
def journal(session: nox.Session) -> None:
    """What the journal costs: the same work with it and without, and large files of it; writes JOURNAL.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.journal", "--work", session.create_tmp(), *session.posargs)


@nox.session
def callbacks(session: nox.Session) -> None:
    """What callbacks cost the process that receives them, beside a handler that only reads; writes CALLBACKS.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.callbacks", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """The examples as scripts, in processes of their own, against an emulator in another one."""
    install(session)
    session.run("python", "tests/run_examples.py")


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and source archive; the wheel works in an environment of its own."""
    session.install("build")
    out = Path(session.create_tmp()) / "dist"
    shutil.rmtree(out, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(out))
    session.install("--force-reinstall", str(next(out.glob("*.whl"))))
    os.chdir(session.create_tmp())
    session.run("kling-async", "models")
