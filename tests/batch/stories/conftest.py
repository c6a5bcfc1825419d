"""Fixtures for the tests of batches, shared with the tests of the journal."""

from tests.journal.conftest import (
    emulator,
    image,
    make_client,
    no_credentials_of_the_machine,
    nothing_is_left,
    path,
    pytest_asyncio_loop_factories,
    time_waits_for_the_thread,
)

__all__ = [
    "emulator",
    "image",
    "make_client",
    "no_credentials_of_the_machine",
    "nothing_is_left",
    "path",
    "pytest_asyncio_loop_factories",
    "time_waits_for_the_thread",
]
