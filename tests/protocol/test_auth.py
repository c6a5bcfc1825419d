import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.auth import RENEWALS, ApiKey, KeyPair, SecretStr, Token, TokenCache, mint
from tests.repeatable import pickled

NOW = 1_774_805_076.9
PAIR = KeyPair(access_key="ACCESS-KEY-0123456789", secret_key="secret-key-of-at-least-32-letters-0")


def decoded(part: str) -> Any:
    """One part of a token."""
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_token_is_that_of_the_official_sample() -> None:
    """The header and the three claims are those of "Authentication", in whole seconds, without any other."""
    header, claims, _ = mint(PAIR, NOW).text.split(".")
    assert decoded(header) == {"alg": "HS256", "typ": "JWT"}
    assert decoded(claims) == {"iss": PAIR.access_key, "exp": 1_774_806_876, "nbf": 1_774_805_071}


@pytest.mark.parametrize("secret", [PAIR.secret_key, "sehr-geheimer-schlüssel-mit-umlauten"])
def test_the_secret_key_signs_as_utf8(secret: str) -> None:
    """The signature is HMAC-SHA256 over the first two parts, keyed with the secret key's UTF-8 bytes."""
    signed, _, signature = mint(KeyPair("a", secret), NOW).text.rpartition(".")
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected


def test_a_token_is_renewed_before_its_end() -> None:
    """A token is valid for half an hour and renewed five minutes before."""
    assert mint(PAIR, NOW).renew_at == NOW + 1800 - 300


@given(st.floats(min_value=1e9, max_value=4e9))
def test_a_token_is_valid_while_it_is_used(now: float) -> None:
    """A token is valid from its creation to its renewal."""
    token = mint(PAIR, now)
    claims = jwt.decode(token.text, PAIR.secret_key, ["HS256"], options={"verify_exp": False, "verify_nbf": False})
    assert claims["nbf"] <= now < token.renew_at < claims["exp"]


def test_an_api_key_is_its_own_token() -> None:
    """A plain API key is sent verbatim and never renewed."""
    token = mint(ApiKey("api-key-kling-1"), NOW)
    assert token == Token("api-key-kling-1", renew_at=float("inf"))
    assert token.header == "Bearer api-key-kling-1"


@pytest.mark.parametrize(
    "secret", [ApiKey("SECRET"), KeyPair("SECRET", "SECRET"), Token("SECRET"), SecretStr("SECRET")]
)
def test_no_repr_shows_a_secret(secret: object) -> None:
    """The reprs of credentials, and of containers of them, hide keys and tokens."""
    assert "SECRET" not in repr([secret])


def test_the_header_is_hidden_from_reprs_alone() -> None:
    """The repr of the header shows stars; the header that is sent is complete."""
    header = Token("SECRET").header
    assert repr(header) == "'***'"
    assert f"{header}" == "Bearer SECRET" == pickled(header)


# ------------------------------------------------------------------------------------------------- when to renew


def issued_at(token: Token) -> float:
    """The service's time that a token was made for; the token is valid from five seconds before."""
    claims = jwt.decode(token.text, options={"verify_signature": False})
    return float(claims["nbf"] + 5)


@pytest.mark.parametrize(("later", "same"), [(0, True), (1499, True), (1500, False), (9999, False)])
def test_calls_share_a_token_until_its_renewal(later: float, *, same: bool) -> None:
    """Calls share a token until five minutes before its expiry; the next call creates a new one."""
    tokens = TokenCache(PAIR)
    first = tokens.token(NOW)
    assert (tokens.token(NOW + later) is first) is same


def test_a_refused_token_is_renewed_by_the_services_clock() -> None:
    """Tokens use the machine's clock until one is refused, then the time of the service's response."""
    tokens = TokenCache(PAIR)
    tokens.clock_offset.observe(NOW + 3600, NOW)
    first = tokens.token(NOW)
    assert issued_at(first) == int(NOW)
    assert tokens.refused(first, 0)
    assert issued_at(tokens.token(NOW)) == int(NOW + 3600)


@pytest.mark.parametrize(("later", "same"), [(1499, True), (1500, False)])
def test_a_corrected_token_is_renewed_by_the_services_clock_too(later: float, *, same: bool) -> None:
    """A token's half hour counts by the clock that it was made for."""
    tokens = TokenCache(PAIR)
    tokens.clock_offset.observe(NOW - 7200, NOW)
    tokens.refused(tokens.token(NOW), 0)
    second = tokens.token(NOW)
    assert (tokens.token(NOW + later) is second) is same


def test_calls_share_the_token_after_a_refusal() -> None:
    """All calls with the same refused token are repeated, and share one new token."""
    tokens = TokenCache(PAIR)
    first = tokens.token(NOW)
    assert tokens.refused(first, 0)
    second = tokens.token(NOW + 1)
    assert second != first
    assert tokens.refused(first, 0)
    assert tokens.refused(first, 1)
    assert tokens.token(NOW + 1) is second


@pytest.mark.parametrize(
    ("offsets", "repeated"),
    [
        ([0.0, 0.0], [True, False]),  # the clocks agree: something else is wrong with the token
        ([3600.0, 3600.0], [True, False]),  # it was made for the service's time, and refused all the same
        ([3600.0, 0.0], [True, True]),  # the first answer showed a wrong time
        ([3600.0, 0.0, 3600.0], [True, True, False]),
        ([0.0, 3600.0, 0.0], [True, True, False]),
    ],
)
def test_a_call_is_repeated_at_most_twice(offsets: list[float], repeated: list[bool]) -> None:
    """A refused call gets a new token once, and a second one only if the next answer shows another time."""
    tokens = TokenCache(PAIR)
    outcomes = []
    for renewals, offset in enumerate(offsets):
        token = tokens.token(NOW)
        tokens.clock_offset.observe(NOW + offset, NOW)
        outcomes.append(tokens.refused(token, renewals))
    assert outcomes == repeated
    assert RENEWALS == 2


def test_a_plain_key_is_not_renewed() -> None:
    """A refused plain key is not tried again."""
    tokens = TokenCache(ApiKey("key"))
    tokens.clock_offset.observe(NOW + 3600, NOW)
    token = tokens.token(NOW)
    assert not tokens.refused(token, 0)
    assert tokens.token(NOW) is token
    assert tokens.clock_offset.used == 0
