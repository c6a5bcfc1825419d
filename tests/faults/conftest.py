"""Time is virtual here, too, and nothing may be left over."""

from tests.shell.conftest import no_credentials_of_the_machine, nothing_is_left, pytest_asyncio_loop_factories

__all__ = ["no_credentials_of_the_machine", "nothing_is_left", "pytest_asyncio_loop_factories"]
