"""Models that the service has retired, in the shell."""

import pytest

from kling_async.cli.exit_codes import Exit
from kling_async.emulator import Emulator

from .conftest import CAT, Run

pytestmark = pytest.mark.usefixtures("hurry")

WORDS = ("generate", CAT, "-o", "cat.mp4", "--model-name", "kling-v1-6")
INSTEAD = "kling-v1-6 is retired here since 2026-09-15; use kling-v2-6"


def test_a_warning_before_and_an_error_after(run: Run, service: Emulator) -> None:
    """The warning names the option, the error has the service's message; both name the replacement."""
    service.account.retired = {"image2video": ["kling-v1-6"]}
    ran = run(*WORDS)
    warning, *_, error = [line for line in ran.err.splitlines() if INSTEAD in line]
    assert ran.code == Exit.REFUSED
    assert warning.startswith(f"warning: --model-name: {INSTEAD}. It is sent all the same")
    assert error.startswith("error: ModelRetired: The model is discontinued; nothing was created; ")
    assert service.ledger.created == 0


def test_where_it_is_served_still(run: Run, service: Emulator) -> None:
    """Retired models are not refused, since resellers may still serve them."""
    ran = run(*WORDS, "-q")
    assert (ran.code, ran.out) == (Exit.OK, "cat.mp4\n")
    assert service.ledger.created == 1
