import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.protocol.auth import ApiKey, KeyPair, SecretStr, Token, mint
from tests.repeatable import pickled

NOW = 1_774_805_076.9
PAIR = KeyPair(access_key="ACCESS-KEY-0123456789", secret_key="secret-key-of-at-least-32-letters-0")


def decoded(part: str) -> Any:
    """One part of a token."""
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_token_is_that_of_the_official_sample() -> None:
    """The header and the three claims are those of "Authentication", in whole seconds, and nothing else."""
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
    """From now to its renewal, a token is within its own times."""
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
    """Keys and tokens are not in the repr of what holds them, nor in that of a container."""
    assert "SECRET" not in repr([secret])


def test_the_header_is_hidden_from_reprs_alone() -> None:
    """A debugger prints stars for the header; what is sent is the header."""
    header = Token("SECRET").header
    assert repr(header) == "'***'"
    assert f"{header}" == "Bearer SECRET" == pickled(header)
