"""The check of the `Authorization` header: a JWT made from access key and secret key, or a plain API key."""

import hmac
from typing import Any, TypeGuard

import attrs
import jwt
import jwt.types

from .errors import Refusal


@attrs.frozen(kw_only=True)
class Credentials:
    """The keys of the emulated account."""

    access_key: str
    secret_key: str = attrs.field(repr=False)
    api_key: str = attrs.field(repr=False)


def check_authorization(header: str | None, credentials: Credentials, now: float) -> None:
    """Checks the credentials of a call, with the messages recorded on the legacy paths.

    Args:
        header: The header's value, None when it is missing.
        credentials: The accepted credentials.
        now: Seconds since the epoch, for `exp` and `nbf`; there is no leeway.

    Raises:
        Refusal: 1000 to 1004.
    """
    if header is None or not header.strip():
        raise Refusal(1001, "Authorization is empty", anonymous=True)
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme != "Bearer" or not token or not token.isascii():
        raise Refusal(1002, "Authorization is invalid")
    if hmac.compare_digest(token.encode(), credentials.api_key.encode()):
        return
    if token.startswith("api-key-"):
        raise Refusal(1002, "api key not found", anonymous=True)
    if token.count(".") != 2:
        # Without a dot, the service counts 0 parts.
        parts = {0: "0", 1: "2"}.get(token.count("."), "> 3")
        raise Refusal(1002, f"The token was expected to have 3 parts, but got {parts}")
    _check_claims(_claims(token, credentials), credentials, now)


def check_api_key(header: str | None, credentials: Credentials) -> None:
    """Checks the credentials of a call that accepts an API key only; tokens are refused unread.

    Raises:
        Refusal: 1001 or 1002.
    """
    if header is None or not header.strip():
        raise Refusal(1001, "Authorization is empty", anonymous=True)
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme != "Bearer" or not token or not token.isascii():
        raise Refusal(1002, "Authorization is invalid")
    if hmac.compare_digest(token.encode(), credentials.api_key.encode()):
        return
    if token.count(".") == 2:
        raise Refusal(1002, "Authentication error. The current API does not support AK/SK; please use an API key")
    raise Refusal(1002, "api key not found", anonymous=True)


def _claims(token: str, credentials: Credentials) -> dict[str, Any]:
    # Times are checked separately, because PyJWT uses the machine's clock.
    options: jwt.types.Options = {
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "verify_iss": False,
        "verify_aud": False,
    }
    try:
        claims: dict[str, Any] = jwt.decode(token, credentials.secret_key, algorithms=["HS256"], options=options)
    except jwt.InvalidSignatureError:
        raise Refusal(1000, "Authentication failed: the signature is invalid") from None
    except jwt.InvalidTokenError:
        raise Refusal(1002, "Authorization is invalid") from None
    return claims


def _check_claims(claims: dict[str, Any], credentials: Credentials, now: float) -> None:
    if claims.get("iss") != credentials.access_key:
        raise Refusal(1002, "access key not found")
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not (_is_number(expires) and _is_number(begins)):
        raise Refusal(1002, "Authorization is invalid")
    if now < begins:
        raise Refusal(1003, "Authorization is not yet valid")
    if not now < expires:  # so that NaN does not pass
        raise Refusal(1004, "Authorization has expired")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
