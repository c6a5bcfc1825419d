"""Credentials, the tokens made from them, and when a token is renewed ("Authentication" in the documentation)."""

from typing import Final

import attrs

from kling_async.protocol.clock_offset import ClockOffset

TOKEN_LIFETIME: Final = 1800.0
"""Seconds for which a token is valid, as in the official sample; a maximum is not documented."""
NOT_BEFORE: Final = 5.0
"""Seconds before now from which a token is valid, as in the official sample."""
RENEWAL_MARGIN: Final = 300.0
"""Seconds before its expiry at which a token is renewed: requests take time, and clocks drift."""
RENEWALS: Final = 2
"""New tokens for one call at most, after the service refused a token as expired or not yet valid."""


class SecretStr(str):
    """Text that is masked in its repr: debuggers and error reporters print locals by their repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Returns asterisks."""
        return "'***'"


@attrs.frozen
class ApiKey:
    """An API key from the console.

    Attributes:
        key: the key; never shown.
    """

    key: str = attrs.field(repr=False)


@attrs.frozen
class KeyPair:
    """An access key and its secret key, from which short-lived tokens are made.

    Attributes:
        access_key: identifies the account; never shown.
        secret_key: signs the tokens; never shown.
    """

    access_key: str = attrs.field(repr=False)
    secret_key: str = attrs.field(repr=False)


@attrs.frozen
class Token:
    """The token in the `Authorization` header.

    Attributes:
        text: the token; never shown.
        renew_at: when to make the next one, in seconds since 1970; infinity for an API key.
    """

    text: str = attrs.field(repr=False)
    renew_at: float = float("inf")

    @property
    def header(self) -> str:
        """The value of the `Authorization` header."""
        return SecretStr(f"Bearer {self.text}")


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


class TokenCache:
    """The current token: renewed before it expires, and when the service refuses it as expired or not yet valid.

    Args:
        credentials: of the account.

    Attributes:
        clock_offset: the offset of the service's clock, as its answers show it; tokens are made by that clock.
    """

    def __init__(self, credentials: ApiKey | KeyPair) -> None:
        self.clock_offset = ClockOffset()
        self._credentials = credentials
        self._token: Token | None = None

    def token(self, now: float) -> Token:
        """Returns a token that is valid now.

        Args:
            now: this machine's time of day, in seconds since 1970.
        """
        service_time = now + self.clock_offset.used
        if self._token is None or service_time >= self._token.renew_at:
            self._token = mint(self._credentials, service_time)
        return self._token

    def refused(self, token: Token, renewals: int) -> bool:
        """Drops a token that the service refused for its times, so that the next one is made by the service's clock.

        Several calls may get the same refusal at once: only the first drops the token.

        Args:
            token: the refused token.
            renewals: how many times the call was repeated with a new token already.

        Returns:
            Whether to repeat the call with a new token: once, and once more if the second answer shows a different
            time than the first, since that one was wrong. Never with an API key.
        """
        if isinstance(self._credentials, ApiKey):
            return False
        differs = True
        if self._token is token:
            self._token = None
            differs = self.clock_offset.correct()
        return renewals < RENEWALS and (renewals == 0 or differs)

    def secrets(self, token: Token) -> frozenset[str]:
        """Returns the texts to redact everywhere: the keys, and the token that a call was made with."""
        keys = self._credentials
        texts = (keys.key,) if isinstance(keys, ApiKey) else (keys.access_key, keys.secret_key)
        return frozenset(map(SecretStr, (*texts, token.text)))
