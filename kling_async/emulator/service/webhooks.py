"""The account's webhook secrets, and the signature headers, as documented."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any


class Webhooks:
    """The secrets that sign callbacks, all at once: two during a rotation, none if callbacks are unsigned.

    Args:
        secrets: `whsec_` and base64 of the key.

    Raises:
        ValueError: If one of them is malformed.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._keys: dict[str, bytes] = {}
        self.secrets = tuple(secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets in use; may be changed at any time, for callbacks posted from then on."""
        return tuple(self._keys)

    @secrets.setter
    def secrets(self, secrets: Iterable[str]) -> None:
        self._keys = {secret: _key(secret) for secret in secrets}

    def change(self, value: object) -> None:
        """Sets the secrets from JSON: {"secrets": ["whsec_..."]}.

        Raises:
            ValueError: If it is anything else; nothing is changed.
        """
        secrets = value.get("secrets") if isinstance(value, dict) and set(value) == {"secrets"} else None
        if not isinstance(secrets, list):
            raise ValueError('expected {"secrets": ["whsec_...", ...]}')  # noqa: TRY004 - a JSON type, not a Python one
        self.secrets = secrets

    def as_json(self) -> dict[str, Any]:
        """Returns the number of secrets; the secrets themselves are never shown."""
        return {"secrets": len(self._keys)}

    def headers(self, message: str, body: bytes, now: float) -> dict[str, str]:
        """Returns the signature headers of a message, none if there are no secrets.

        Args:
            message: Identifies the message; the same when it is posted again.
            body: The posted bytes.
            now: Seconds since the epoch.
        """
        if not self._keys:
            return {}
        message_id = "msg_" + hashlib.sha256(message.encode()).hexdigest()[:24]
        content = f"{message_id}.{int(now)}.".encode() + body
        digests = (hmac.new(key, content, hashlib.sha256).digest() for key in self._keys.values())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": " ".join("v1," + base64.b64encode(digest).decode() for digest in digests),
        }


def _key(secret: object) -> bytes:
    if isinstance(secret, str) and secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret[len("whsec_") :], validate=True)
        except binascii.Error:
            key = b""
        if key:
            return key
    raise ValueError("a webhook secret is whsec_ and base64 after it")
