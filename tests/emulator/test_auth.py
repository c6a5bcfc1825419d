from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from .conftest import PATH, Caller, Clock


async def test_a_token_as_in_the_documentation_passes(caller: Caller, token: Callable[..., str]) -> None:
    """A JWT made as in the official sample passes, and so does one without `nbf`."""
    for made in (token(), token(nbf=None), token(nbf=0)):
        caller.headers = {"Authorization": f"Bearer {made}"}
        assert (await caller.get(PATH)).code == 0


@pytest.mark.parametrize(
    ("claims", "code", "message"),
    [
        ({"nbf": 1_800_000_001}, 1003, "Authorization is not yet valid"),
        ({"exp": 1_800_000_000}, 1004, "Authorization has expired"),
        ({"iss": "somebody"}, 1002, "access key not found"),
        ({"iss": None}, 1002, "access key not found"),
        ({"exp": None}, 1002, "Authorization is invalid"),
        ({"exp": "soon"}, 1002, "Authorization is invalid"),
        ({"exp": float("nan")}, 1004, "Authorization has expired"),
        ({"key": "another-secret-key-0123456789abcdef"}, 1000, "Authentication failed: the signature is invalid"),
    ],
)
async def test_a_bad_token_is_refused(
    caller: Caller, token: Callable[..., str], claims: dict[str, Any], code: int, message: str
) -> None:
    """Times, issuer and signature of a token are checked, against the emulator's clock, without leeway."""
    caller.headers = {"Authorization": f"Bearer {token(**claims)}"}
    answer = await caller.get(PATH)

    assert (answer.status, answer.code, answer.message) == (401, code, message)


@pytest.mark.parametrize(
    ("header", "code", "message"),
    [
        (None, 1001, "Authorization is empty"),
        ("", 1001, "Authorization is empty"),
        ("Basic abc", 1002, "Authorization is invalid"),
        ("Bearer", 1002, "Authorization is invalid"),
        ("Bearer ü", 1002, "Authorization is invalid"),
        ("Bearer api-key-kling-unknown", 1002, "api key not found"),
        ("Bearer nonsense", 1002, "The token was expected to have 3 parts, but got 0"),
        ("Bearer a.b", 1002, "The token was expected to have 3 parts, but got 2"),
        ("Bearer a.b.c", 1002, "Authorization is invalid"),
    ],
)
async def test_a_bad_header_is_refused(caller: Caller, header: str | None, code: int, message: str) -> None:
    """Malformed credentials are refused with the recorded messages."""
    caller.headers = {} if header is None else {"Authorization": header}
    answer = await caller.get(PATH)

    assert (answer.status, answer.code, answer.message) == (401, code, message)
    assert ("request_id" in answer.body) == (message not in {"Authorization is empty", "api key not found"})


async def test_a_create_without_credentials_has_no_effect(caller: Caller) -> None:
    """Credentials are checked first."""
    caller.headers = {}

    assert (await caller.create()).code == 1001
    assert caller.emulator.ledger.created == 0


async def test_the_date_header_follows_the_clock(caller: Caller, clock: Clock) -> None:
    """A client whose clock is wrong can compute the offset from any answer."""
    answer = await caller.get(PATH)

    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == int(clock())
