"""Shared fixtures: those of the shell's tests, and virtual time that waits for the journal's thread."""

from tests.journal.conftest import path, time_waits_for_the_thread
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
    "path",
    "pytest_asyncio_loop_factories",
    "time_waits_for_the_thread",
]
