"""All checks, as sessions of nox: `nox` runs the tests, `nox -s lint types` style and types."""

import hashlib
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
THERE = [version for version in PYTHONS if shutil.which(f"python{version}")]
ENDS = list(dict.fromkeys((*THERE[:1], *THERE[-1:])))
ALL = ("-m", "slow or not slow")


def install(session: nox.Session, *groups: str, package: Path | None = None) -> None:
    """Installs the package, from a wheel or editable, with dependency groups of `pyproject.toml`."""
    what = ("-e", ".") if package is None else ("--force-reinstall", str(package))
    session.install(*what, *nox.project.dependency_groups(PROJECT, *groups))


@nox.session(python=THERE or False)
def tests(session: nox.Session) -> None:
    """The whole test suite, with slow tests, on every installed Python that is supported."""
    install(session, "test")
    session.run("pytest", "-n", "auto", *ALL, *session.posargs)


@nox.session(python=f"{sys.version_info.major}.{sys.version_info.minor}")
def coverage(session: nox.Session) -> None:
    """Branch coverage: 100 % of `kling_async/protocol`, 94 % of all."""
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
    """Types of package, tests and examples, by two checkers."""
    install(session, "test", "types")
    session.install("nox")
    session.run("mypy")
    python = str(Path(session.virtualenv.location) / "bin" / "python")
    session.run("pyright", "--pythonpath", python)
    session.run("pyright", "--pythonpath", python, "--project", "tests/typing")  # as for users of the installed package


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
    """A table of the outcome of each fault; `nox -s faults -- --write` writes it into FAULTS.md and README."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.faults", *session.posargs)


@nox.session
def sequences(session: nox.Session) -> None:
    """Tests with twenty times as many sequences of faults, more kills and requests, and all cuts."""
    install(session, "test")
    more = {"KLING_ASYNC_SEQUENCES": "2000", "KLING_ASYNC_KILLS": "50", "KLING_ASYNC_DRAWN": "150"}
    more |= {"KLING_ASYNC_CUTS": "1", "KLING_ASYNC_AWAITS": "1"}  # cuts at each write, and at each await
    killed = map(str, Path("tests").rglob("test_*killed.py"))
    others = ("tests/adversity", "tests/two_readings", "tests/journal/test_cuts.py")
    session.run("pytest", "-n", "auto", *killed, *others, *ALL, *session.posargs, env=more)


@nox.session
def mutations(session: nox.Session) -> None:
    """Mutation testing of the code that decides about polls, retries and creates: writes MUTATIONS.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.mutations", "--work", session.create_tmp(), *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Comparison with peers, each in a separate environment: writes `benchmarks/RESULTS.md` and its picture."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks", "--work", session.create_tmp(), *session.posargs)


@nox.session
def journal(session: nox.Session) -> None:
    """What the journal costs: the same work with and without it, and large journals; writes JOURNAL.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.journal", "--work", session.create_tmp(), *session.posargs)


@nox.session
def callbacks(session: nox.Session) -> None:
    """What callbacks cost the receiving process, against a handler that only reads them; writes CALLBACKS.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.callbacks", *session.posargs)


@nox.session
def fleet(session: nox.Session) -> None:
    """How a fleet scales: claims measured on Postgres, and a million jobs simulated; writes FLEET.md."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.fleet", "--work", session.create_tmp(), *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """The examples as scripts, each in a separate process, against an emulator in another one."""
    install(session)
    session.run("python", "tests/run_examples.py")


@nox.session
def stranger(session: nox.Session) -> None:
    """The sample project of a user in `tests/stranger`: its tests on the built wheel, its types by two checkers."""
    install(session, "test", "types")
    session.run("pytest", "tests/test_stranger.py", *ALL, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, into `.nox/docs/tmp/html`; `nox -s docs -- --external` also checks external links."""
    install(session, "docs")
    out = Path(session.create_tmp())
    sphinx = ("python", "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-d", str(out / "doctrees"))
    session.run(*sphinx, "-b", "html", "docs", str(out / "html"))
    session.run("python", "-m", "docs.tools.built", str(out / "html"))
    if "--external" in session.posargs:
        session.run(*sphinx, "-b", "linkcheck", "docs", str(out / "links"))


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and source archive in `dist/`, from the files that git has staged or committed; then runs `extras`.

    Checks that the build is reproducible with one version of hatchling and of zlib, that the archives contain only
    files in git, that the source archive contains the files that tests need, and that the wheel contains its types.
    """
    session.install("build", "twine")
    work = Path(session.create_tmp()).resolve()
    shutil.rmtree(work, ignore_errors=True)
    here = _built(session, work / "here", umask=0o022, zone="UTC")
    there = _built(session, work / "elsewhere" / "and deeper", umask=0o077, zone="Pacific/Apia", changed=1e9)
    if _digests(here) != _digests(there):
        session.error(f"built twice, and not the same: {_digests(here)}, {_digests(there)}")
    shutil.rmtree("dist", ignore_errors=True)
    shutil.copytree(here, "dist")
    wheel, archive = _archives()
    session.run("twine", "check", "--strict", str(wheel), str(archive))
    tracked = str(session.run("git", "ls-files", silent=True, external=True))
    session.run("python", "-P", "tests/run_archives.py", str(wheel), str(archive), *tracked.splitlines(), silent=True)
    shutil.unpack_archive(archive, work, filter="data")
    install(session, "test", "types", package=wheel)
    with session.chdir(work / archive.name.removesuffix(".tar.gz")):
        session.run("pytest", "-qq", "--collect-only", silent=True)  # all tests find the files that they read
        session.run("pytest", "-q", "-n", "auto", "tests/test_endpoints_page.py", "tests/cli/test_readme.py")
    _check_types_from_outside(session, work / "outside")
    for digest, name in _digests(Path("dist")).items():
        session.log("sha256 %s  %s", digest, name)
    for each in [f"extras-{version}" for version in ENDS] or ["extras"]:  # plain `extras` runs only the first
        session.notify(each)


@nox.session(python=ENDS or False)
def extras(session: nox.Session) -> None:
    """The wheel in `dist/` with each of its extras alone, on the lowest and the newest installed Python."""
    wheel, _ = _archives()
    for extra in ("", *PROJECT["project"]["optional-dependencies"]):
        place = Path(session.create_tmp()).resolve() / (extra or "none")
        session.run("python", "-m", "venv", "--clear", str(place))
        python = str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        session.run(python, "-m", "pip", "install", "-q", f"{wheel}[{extra}]" if extra else str(wheel), external=True)
        session.run(python, "-P", "-W", "error", "tests/run_installed.py", extra, external=True)


@nox.session
def licences(session: nox.Session) -> None:
    """Checks that LICENCES.md lists all installed packages with their licences; `-- --write` updates it."""
    extras = ",".join(PROJECT["project"]["optional-dependencies"])
    session.install("-e", f".[{extras}]", "packaging")
    session.run("python", "-P", "tests/run_licences.py", *session.posargs)


def _archives() -> tuple[Path, Path]:
    """Returns the wheel and the source archive made by `build`."""
    (wheel,), (archive,) = (sorted(Path("dist").resolve().glob(ending)) for ending in ("*.whl", "*.tar.gz"))
    return wheel, archive


def _digests(folder: Path) -> dict[str, str]:
    return {hashlib.sha256(each.read_bytes()).hexdigest(): each.name for each in sorted(folder.iterdir())}


def _built(session: nox.Session, place: Path, *, umask: int, zone: str, changed: float | None = None) -> Path:
    """Builds the files that git has staged or committed in a separate directory; returns that of the archives."""
    before = os.umask(umask)
    try:
        session.run("git", "checkout-index", "--all", f"--prefix={place}/", external=True)
        if changed is not None:
            for each in place.rglob("*"):
                os.utime(each, (changed, changed))
        env = {"SOURCE_DATE_EPOCH": None, "TZ": zone}
        session.run("python", "-m", "build", str(place), "--outdir", str(place / "dist"), env=env, silent=True)
    finally:
        os.umask(before)
    return place / "dist"


def _check_types_from_outside(session: nox.Session, place: Path) -> None:
    """Checks a project against the installed package, which has `py.typed`, with two strict type checkers."""
    shutil.copytree("tests/typing", place, ignore=shutil.ignore_patterns("__init__.py"))
    with session.chdir(place):
        session.run("mypy", "--strict", "--config-file=", "accepted.py", "refused.py")  # not with our settings
        session.run("pyright", "--pythonpath", shutil.which("python", path=session.bin) or "python")
