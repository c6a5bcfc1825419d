"""Shared fixtures of the journal's tests: those of the shell, and virtual time that waits for the journal's thread."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kling_async import Journal, PostgresJournal
from kling_async.journal.journal import AnyJournal
from tests.patience import wait_for_the_thread
from tests.shell.conftest import (
    emulator,
    image,
    make_client,
    no_credentials_of_the_machine,
    nothing_is_left,
    pytest_asyncio_loop_factories,
)

__all__ = [
    "emulator",
    "image",
    "make_client",
    "no_credentials_of_the_machine",
    "nothing_is_left",
    "pytest_asyncio_loop_factories",
]


@pytest.fixture(autouse=True)
def time_waits_for_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the virtual clock from jumping while something is being written."""
    wait_for_the_thread(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the journal."""
    return tmp_path / "clips.sqlite"


Place = Callable[..., AnyJournal]


def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return lambda name="clips": Journal(tmp_path / f"{name}.sqlite")
    dsn: str = request.getfixturevalue("postgres")
    return lambda name="clips": PostgresJournal(dsn, name=name)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A factory of journals by name, in a file and in Postgres: the same rules hold for both."""
    return _place(request, tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def any_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """As `place`, with Postgres in the slow set only."""
    return _place(request, tmp_path)
