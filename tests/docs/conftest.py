"""What these tests share: the shell's fixtures, virtual time that waits for the journal's thread, and the pages."""

from tests.journal.conftest import time_waits_for_the_thread
from tests.shell.conftest import (
    emulator,
    no_credentials_of_the_machine,
    nothing_is_left,
    pytest_asyncio_loop_factories,
)

__all__ = [
    "emulator",
    "no_credentials_of_the_machine",
    "nothing_is_left",
    "pytest_asyncio_loop_factories",
    "time_waits_for_the_thread",
]
