"""The fixtures of the shell's tests, virtual time included."""

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
