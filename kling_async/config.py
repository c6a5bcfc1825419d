"""Credentials and address: from arguments, else from the environment."""

import logging
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from kling_async.protocol.auth import ApiKey, KeyPair
from kling_async.protocol.errors import ConfigurationError, Remedy

logger = logging.getLogger("kling_async")

BASE_URL: Final = "https://api-singapore.klingai.com"
"""The official host outside China; accounts made in China use https://api-beijing.klingai.com."""


def credentials_from(
    api_key: str | None,
    access_key: str | None,
    secret_key: str | None,
    environment: Mapping[str, str] = os.environ,
) -> ApiKey | KeyPair:
    """Finds the credentials; arguments win over the environment, an API key wins over a pair.

    Raises:
        ConfigurationError: there are none, or half a pair, or letters that cannot be part of one.
    """
    if api_key is None and access_key is None and secret_key is None:
        api_key = environment.get("KLING_API_KEY") or None
        access_key = environment.get("KLING_ACCESS_KEY") or None
        secret_key = environment.get("KLING_SECRET_KEY") or None
        if api_key is not None:
            access_key = secret_key = None
    if api_key is not None:
        if access_key is not None or secret_key is not None:
            raise ConfigurationError("give either api_key, or access_key and secret_key, not both")
        return ApiKey(_clean("api_key", api_key))
    if access_key is not None and secret_key is not None:
        return KeyPair(_clean("access_key", access_key), _clean("secret_key", secret_key))
    if access_key is not None or secret_key is not None:
        missing = "secret_key (KLING_SECRET_KEY)" if secret_key is None else "access_key (KLING_ACCESS_KEY)"
        raise ConfigurationError(f"{missing} is missing: the two belong together")
    raise ConfigurationError("there are no credentials", remedy=Remedy.CREDENTIALS)


def base_url_from(base_url: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The address of the service, without a trailing slash.

    Raises:
        ConfigurationError: it is no http(s) address, or has a query or a `/v1` that belongs to the paths.
    """
    text = (base_url or environment.get("KLING_BASE_URL") or BASE_URL).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        host = parts.hostname
        _ = parts.port  # raises where it is no number
    except ValueError:
        raise ConfigurationError("base_url cannot be read; an example is https://api-singapore.klingai.com") from None
    if parts.scheme not in {"http", "https"} or not host or not text.isprintable():
        raise ConfigurationError("base_url must begin with https:// (or http:// for an emulator) and name a host")
    if parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError("base_url must be a plain address, without user, query and fragment")
    if parts.path.endswith("/v1"):
        raise ConfigurationError(f"base_url must not end in /v1: {text.removesuffix('/v1')}")
    if parts.scheme == "http" and not _is_local(host):
        logger.warning(
            "base_url is http://: credentials travel unencrypted to %s", host, extra={"kling_event": "cleartext"}
        )
    return text


def _is_local(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def _clean(name: str, value: str) -> str:
    text = value.strip()
    if text[:7].lower() == "bearer ":
        text = text[7:].strip()
    if not text:
        raise ConfigurationError(f"{name} is empty", remedy=Remedy.CREDENTIALS)
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigurationError(f"{name} contains letters that no key has; copy it anew from the console")
    return text
