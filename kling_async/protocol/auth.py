"""Credentials, the tokens made of them, and when a token is renewed ("Authentication" of the documentation)."""

from typing import Final

import attrs

from kling_async.protocol.clock_offset import ClockOffset

TOKEN_LIFETIME: Final = 1800.0
"""Seconds a token is valid, as in the official sample; a maximum is not documented."""
NOT_BEFORE: Final = 5.0
"""Seconds that a token is valid before now, as in the official sample."""
RENEWAL_MARGIN: Final = 300.0
"""Seconds before its end at which a token is renewed: requests take time, and clocks drift."""
RENEWALS: Final = 2
"""Tokens made anew for one call at most, after the service refused one for its times."""


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
    """The token that calls are made with: renewed before its end, and when the service refuses its times.

    Args:
        credentials: of the account.

    Attributes:
        clock_offset: what the answers tell of the service's clock, by which tokens are made.
    """

    def __init__(self, credentials: ApiKey | KeyPair) -> None:
        self.clock_offset = ClockOffset()
        self._credentials = credentials
        self._token: Token | None = None

    def token(self, now: float) -> Token:
        """A token that is valid now.

        Args:
            now: this machine's time of day, in seconds since 1970.
        """
        service_time = now + self.clock_offset.used
        if self._token is None or service_time >= self._token.renew_at:
            self._token = mint(self._credentials, service_time)
        return self._token

    def refused(self, token: Token, renewals: int) -> bool:
        """Takes note that the service refused a token for its times; the next one is made by the service's clock.

        Many calls may meet the same refusal at once: only the first drops the token.

        Args:
            token: which one.
            renewals: how many times the call was repeated with a new token already.

        Returns:
            Whether to repeat the call with a new token: once, and once more where the second answer shows another time
            than the first, since that one was wrong. Never with a plain key.
        """
        if isinstance(self._credentials, ApiKey):
            return False
        differs = True
        if self._token is token:
            self._token = None
            differs = self.clock_offset.correct()
        return renewals < RENEWALS and (renewals == 0 or differs)

    def secrets(self, token: Token) -> frozenset[str]:
        """All that no text may show: the keys, and the token that a call was made with."""
        keys = self._credentials
        texts = (keys.key,) if isinstance(keys, ApiKey) else (keys.access_key, keys.secret_key)
        return frozenset(map(SecretStr, (*texts, token.text)))
