"""Callbacks, unsigned or signed by Standard Webhooks: which requests are accepted, and how others are refused.

A signed request contains its message's id, its time, and one signature for each secret in use:

    webhook-id: msg_2KWPBgLlAfxdpx2AI54pPJ85f4W
    webhook-timestamp: 1781080794
    webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1,...

The signed text is `<id>.<timestamp>.<body>`.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from kling_async.protocol.errors import ConfigurationError

BODY_MAXIMUM: Final = 2**20
"""Maximum bytes of a body; a task with its results has a few thousand."""
TOLERANCE: Final = 300
"""Seconds by which a signed message may differ from the current time, so that recorded messages cannot be replayed."""
IDS_KEPT: Final = 20_000
"""Number of remembered messages, so that none is accepted twice: those of the last five minutes, at 60 a second."""
_ID_MAXIMUM: Final = 256
_ID, _TIME, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_ENCODING: Final = "content-encoding"
_LENGTHS: Final = frozenset(map(len, (_ID, _TIME, _SIGNATURE, _ENCODING)))


@attrs.frozen
class Taken:
    """A request that is accepted.

    Attributes:
        message_id: of a message signed with one of the secrets; None for an unsigned one, which proves nothing.
    """

    message_id: str | None


@attrs.frozen
class Refused:
    """A request that is refused.

    Attributes:
        status: HTTP status, 400 to 499.
        reason: in words, without any part of the request.
    """

    status: int
    reason: str


@attrs.frozen
class WebhookRules:
    """The rules by which requests are accepted.

    Attributes:
        keys: a signature by any of them is valid.
        token: that the address of an unsigned request must contain, as a part of its path or a value of its query; None
            if any address is accepted.
        allow_unsigned: whether unsigned requests are accepted although there are keys.
    """

    keys: tuple[bytes, ...] = attrs.field(default=(), repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    allow_unsigned: bool = False

    @classmethod
    def of(cls, secrets: Iterable[str], token: str | None, *, allow_unsigned: bool) -> Self:
        """Returns the rules for a configuration.

        Args:
            secrets: as the console shows them: `whsec_` and base64.
            token: as above.
            allow_unsigned: as above.

        Raises:
            ConfigurationError: a value cannot be used; the message does not contain it.
        """
        if isinstance(secrets, str):
            raise ConfigurationError("secrets must be a list: there are two of them while they rotate")
        if token is not None and not (isinstance(token, str) and token.strip()):
            raise ConfigurationError("token must be text that is not empty, or None")
        keys = tuple(_key(number, secret) for number, secret in enumerate(secrets, 1))
        return cls(keys, token, allow_unsigned)

    def decide(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now: float) -> Taken | Refused:
        """Decides about a request.

        Args:
            method: HTTP method.
            target: path and query, as received.
            headers: names in any case.
            body: as received; of a body longer than `BODY_MAXIMUM`, a beginning that is longer is enough.
            now: the current time in seconds since 1970.
        """
        if method.upper() != "POST":
            return Refused(405, "only POST is taken here")
        if len(body) > BODY_MAXIMUM:
            return too_large()
        given = joined((name, value) for name, value in headers.items() if len(name) in _LENGTHS)
        if is_packed(given):
            return Refused(415, "its body is packed, and none is unpacked here")
        signed = [name for name in (_ID, _TIME, _SIGNATURE) if given.get(name)]
        if not self.keys or not signed:
            return self._unsigned(target)
        if len(signed) < 3:
            return Refused(400, "only a part of the three webhook- headers came")
        return self._signed(given[_ID], given[_TIME], given[_SIGNATURE], body, now)

    def _unsigned(self, target: str) -> Taken | Refused:
        if self.keys and not self.allow_unsigned:
            return Refused(401, "it is not signed, and there are secrets")
        if self.token is not None and not _has_token(target, self.token):
            return Refused(401, "its address has not the token")
        return Taken(None)

    def _signed(self, message_id: str, timestamp: str, signatures: str, body: bytes, now: float) -> Taken | Refused:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12) or len(message_id) > _ID_MAXIMUM:
            return Refused(400, "its webhook-id or webhook-timestamp cannot be read")
        if abs(now - int(timestamp)) > TOLERANCE:
            return Refused(401, f"its timestamp is not within {TOLERANCE} s of this machine's clock")
        content = b".".join((_bytes(message_id), timestamp.encode(), body))
        expected = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in self.keys]
        received = [_bytes(entry[3:]) for entry in signatures.split() if entry.startswith("v1,")]
        # All of them are compared, each in constant time, so that the duration reveals nothing.
        fits = [hmac.compare_digest(each, other) for each in received for other in expected]
        return Taken(message_id) if any(fits) else Refused(401, "none of the secrets has signed it")


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns headers by their names in lower case; lines of the same name are joined by a space, as signatures are."""
    given: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        given[lower] = f"{given.get(lower, '')} {value}".strip()
    return given


def is_packed(headers: Mapping[str, str]) -> bool:
    """Whether a body is compressed: it may expand to any size, and senders of webhooks do not compress."""
    return headers.get(_ENCODING, "").strip().lower() not in {"", "identity"}


def too_large() -> Refused:
    """Returns the refusal of a request whose body is longer than `BODY_MAXIMUM`."""
    return Refused(413, f"its body has more than {BODY_MAXIMUM} bytes")


class MessageIds:
    """The ids of accepted signed messages: the last `IDS_KEPT` of them."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __len__(self) -> int:
        """Returns the number of remembered ids."""
        return len(self._ids)

    def is_new(self, message_id: str) -> bool:
        """Returns whether a message is new, and remembers its id."""
        if message_id in self._ids:
            return False
        self._ids[message_id] = None
        if len(self._ids) > IDS_KEPT:
            del self._ids[next(iter(self._ids))]
        return True

    def forget(self, message_id: str) -> None:
        """Forgets a message that was not accepted after all, so that it may be sent again."""
        self._ids.pop(message_id, None)


def token_of(key: str) -> str:
    """Returns the token for `{token}` in a callback's address: the same in all processes with these credentials.

    Args:
        key: the secret part of the credentials; it cannot be derived from the token.
    """
    digest = hmac.digest(_bytes(key), b"kling-async: token of callback addresses", hashlib.sha256)
    return digest[:16].hex()


def _key(number: int, secret: object) -> bytes:
    text = secret.strip().removeprefix("whsec_").rstrip("=") if isinstance(secret, str) else ""
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigurationError(f"secret {number} is none; the console shows them as whsec_ and letters after it")
    return key


def _has_token(target: str, token: str) -> bool:
    wanted = _bytes(token)
    return any([hmac.compare_digest(_bytes(part), wanted) for part in _parts(target)])  # noqa: C419  (all are compared)


def _parts(target: str) -> Iterator[str]:
    """Yields all parts of an address that may be a token."""
    path, _, query = target.partition("?")
    if not path.startswith("/"):  # a target that begins with // is a path, too: it has no host
        try:
            path = urlsplit(path).path
        except ValueError:
            return
    yield from (unquote(part) for part in path.split("/"))
    try:
        yield from (value for _, value in parse_qsl(query, max_num_fields=100))
    except ValueError:
        return


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
