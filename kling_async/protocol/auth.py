"""Credentials and the header they make ("Authentication" of the documentation)."""

from typing import Final

import attrs

TOKEN_LIFETIME: Final = 1800.0
"""Seconds a token is valid, as in the official sample; a maximum is not documented."""
NOT_BEFORE: Final = 5.0
"""Seconds that a token is valid before now, as in the official sample."""
RENEWAL_MARGIN: Final = 300.0
"""Seconds before its end at which a token is renewed: requests take time, and clocks drift."""


class SecretStr(str):
    """Text that no repr shows: a debugger or an error reporter prints locals by their repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Stars."""
        return "'***'"


@attrs.frozen
class ApiKey:
    """A plain API key of the console.

    Attributes:
        key: the key itself; never shown.
    """

    key: str = attrs.field(repr=False)


@attrs.frozen
class KeyPair:
    """An access key and its secret key, of which short-lived tokens are made.

    Attributes:
        access_key: names the account; not shown either.
        secret_key: signs; never shown.
    """

    access_key: str = attrs.field(repr=False)
    secret_key: str = attrs.field(repr=False)


@attrs.frozen
class Token:
    """What goes into the `Authorization` header.

    Attributes:
        text: the token; never shown.
        renew_at: when to make the next one, in seconds since 1970; infinity for a plain key.
    """

    text: str = attrs.field(repr=False)
    renew_at: float = float("inf")

    @property
    def header(self) -> str:
        """The value of the `Authorization` header."""
        return SecretStr(f"Bearer {self.text}")


def secrets_of(credentials: ApiKey | KeyPair, token: Token) -> frozenset[str]:
    """All that no text may show: the keys, and the token that a call was made with."""
    keys = (credentials.key,) if isinstance(credentials, ApiKey) else (credentials.access_key, credentials.secret_key)
    return frozenset(map(SecretStr, (*keys, token.text)))


def mint(credentials: ApiKey | KeyPair, now: float) -> Token:
    """Makes a token.

    Args:
        credentials: of the account.
        now: seconds since 1970 by the service's clock.
    """
    if isinstance(credentials, ApiKey):
        return Token(credentials.key)
    import jwt  # noqa: PLC0415  (imported on first use: it costs a quarter of aiohttp's own import time)

    expires = now + TOKEN_LIFETIME
    claims = {"iss": credentials.access_key, "exp": int(expires), "nbf": int(now - NOT_BEFORE)}
    text = jwt.encode(claims, credentials.secret_key, algorithm="HS256")
    return Token(text, renew_at=expires - RENEWAL_MARGIN)
