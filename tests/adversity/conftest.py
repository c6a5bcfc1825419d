"""The fixtures of `tests/shell`, including virtual time."""

import pytest

from tests.patience import wait_for_the_thread
from tests.shell.conftest import (
    client,
    emulator,
    image,
    make_client,
    no_credentials_of_the_machine,
    nothing_is_left,
    pytest_asyncio_loop_factories,
)

__all__ = [
    "client",
    "emulator",
    "image",
    "make_client",
    "no_credentials_of_the_machine",
    "nothing_is_left",
    "pytest_asyncio_loop_factories",
]


@pytest.fixture(autouse=True)
def time_waits_for_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock does not jump while a journal is being written."""
    wait_for_the_thread(monkeypatch)
