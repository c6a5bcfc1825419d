"""Configuration of a client, from arguments and environment variables."""

import functools
import inspect
import logging
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from kling_async.io import system
from kling_async.protocol.auth import ApiKey, KeyPair
from kling_async.protocol.errors import ConfigurationError, Remedy
from kling_async.protocol.polling.durations import Durations
from kling_async.protocol.polling.schedule import AimedPolling, Polling
from kling_async.protocol.proxies import Proxies, is_loopback
from kling_async.protocol.retry import Retry

logger = logging.getLogger("kling_async")

BASE_URL: Final = "https://api-singapore.klingai.com"
"""The official host outside China; accounts made in China use https://api-beijing.klingai.com."""

LEGACY_HOST: Final = "api.klingai.com"
"""A host that answers the paths of the current generation with a page (seen live in 2026-09)."""

FILES_BESIDE: Final = 32
"""Files that a process has open besides its connections: its own, pictures, and files being written."""


def credentials_from(
    api_key: str | None,
    access_key: str | None,
    secret_key: str | None,
    environment: Mapping[str, str] = os.environ,
) -> ApiKey | KeyPair:
    """Finds the credentials; arguments win over the environment, an API key wins over a pair.

    Raises:
        ConfigurationError: there are no credentials, only half a pair, or characters that no key contains.
    """
    if api_key is None and access_key is None and secret_key is None:
        api_key = _variable("KLING_API_KEY", environment)
        access_key = _variable("KLING_ACCESS_KEY", environment)
        secret_key = _variable("KLING_SECRET_KEY", environment)
        if api_key is not None:
            access_key = secret_key = None
    if api_key is not None:
        if access_key is not None or secret_key is not None:
            raise ConfigurationError("give either api_key, or access_key and secret_key, not both")
        return ApiKey(_key("api_key", api_key))
    if access_key is not None and secret_key is not None:
        return KeyPair(_key("access_key", access_key), _key("secret_key", secret_key))
    if access_key is not None or secret_key is not None:
        missing = "secret_key (KLING_SECRET_KEY)" if secret_key is None else "access_key (KLING_ACCESS_KEY)"
        raise ConfigurationError(f"{missing} is missing: the two belong together")
    raise ConfigurationError("there are no credentials", remedy=Remedy.CREDENTIALS)


def base_url_from(base_url: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The address of the service, without a trailing slash.

    Raises:
        ConfigurationError: it is not an http(s) address, or contains a user, a query, a fragment or the `/v1` of the
            paths.
    """
    if base_url is None or base_url == "":
        given = _variable("KLING_BASE_URL", environment)
    else:
        given = _stripped("base_url", base_url)
    text = (given or BASE_URL).rstrip("/")
    try:
        parts = urlsplit(text)
        host = parts.hostname
        usable = parts.port != 0 and text.isascii() and text.isprintable() and " " not in text
    except ValueError:
        raise ConfigurationError("base_url cannot be read; an example is https://api-singapore.klingai.com") from None
    if not usable:
        raise ConfigurationError("base_url has a port or letters that no address has; an international name is xn--...")
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError("base_url must begin with https:// (or http:// for an emulator) and name a host")
    if parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError("base_url must be a plain address, without user, query and fragment")
    if parts.path.endswith("/v1"):
        raise ConfigurationError(f"base_url must not end in /v1: {text.removesuffix('/v1')}")
    if parts.scheme == "http" and not is_loopback(host):
        logger.warning(
            "base_url is http://: credentials travel unencrypted to %s", host, extra={"kling_event": "cleartext"}
        )
    return text


def refuse_current(credentials: ApiKey | KeyPair, base_url: str) -> None:
    """Refuses credentials and hosts that the current generation does not accept.

    Raises:
        ConfigurationError: the credentials are a pair of keys, or the host does not serve the paths.
    """
    if isinstance(credentials, KeyPair):
        raise ConfigurationError(
            "the current generation takes an API key only, no access_key and secret_key: "
            "KlingClient(api_key=...), or KLING_API_KEY; an API key serves all other paths as well"
        )
    if urlsplit(base_url).hostname == LEGACY_HOST:
        raise ConfigurationError(
            f"{LEGACY_HOST} does not serve the current generation: leave base_url out for {BASE_URL}, or use "
            "https://api-beijing.klingai.com for accounts made in China"
        )


def callback_url_from(address: str | None, credentials: ApiKey | KeyPair) -> tuple[str | None, str | None]:
    """Returns the callback address, and the token that replaces `{token}` in it, if any.

    Raises:
        ConfigurationError: the service cannot post to the address, or the callbacks would travel unencrypted.
    """
    if address is None:
        return None, None
    text = _stripped("callback_url", address)
    try:
        parts = urlsplit(text)
        host, usable = parts.hostname or "", parts.port != 0 and text.isascii() and text.isprintable()
    except ValueError:
        raise ConfigurationError("callback_url cannot be read; an example is https://me.example/kling") from None
    if not usable or not host or " " in text or "{" in host or parts.fragment or parts.username is not None:
        raise ConfigurationError("callback_url must be an address such as https://me.example/kling/{token}")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError("callback_url must begin with https://; http:// is for this machine only")
    if "{token}" not in text:
        return text, None
    from kling_async.protocol.webhook import token_of  # noqa: PLC0415  (not without callbacks)

    token = token_of(credentials.key if isinstance(credentials, ApiKey) else credentials.secret_key)
    return text.replace("{token}", token), token


def checked(name: str, value: object, what: str, *, fits: bool) -> None:
    """Refuses an unsuitable value when the client is created, before anything is paid for.

    Args:
        name: of the argument.
        value: that was given.
        what: description of suitable values, for the message.
        fits: whether the value is one.

    Raises:
        ConfigurationError: it does not fit.
    """
    if not fits:
        raise ConfigurationError(f"{name} must be {what}, got {repr(value)[:60]}")


def check_arguments(
    *,
    concurrency: object,
    downloads: object,
    polling: object,
    durations: object,
    retry: object,
    queue_deadline: object,
    on_intent: object,
    on_event: object,
    budget: object,
    session: object,
    clock: object,
) -> None:
    """Checks arguments of `KlingClient`, which describes them.

    Raises:
        ConfigurationError: an argument is unsuitable.
    """
    for name, value in (("concurrency", concurrency), ("downloads", downloads)):
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        checked(name, value, "a whole number from 1 up", fits=fits)
    checked("polling", polling, "AimedPolling(...) or Polling(...)", fits=_is_a(polling, Polling, AimedPolling))
    checked("durations", durations, "Durations; Durations.from_json(text) reads them", fits=_is_a(durations, Durations))
    checked("retry", retry, "Retry(...)", fits=_is_a(retry, Retry))
    checked("queue_deadline", queue_deadline, "seconds", fits=queue_deadline is None or is_seconds(queue_deadline))
    checked("on_intent", on_intent, "a coroutine function", fits=on_intent is None or callable(on_intent))
    what = "a plain function, or an object that is one, which is not awaited"
    checked("on_event", on_event, what, fits=on_event is None or _is_plain(on_event))
    if budget is not None:
        from kling_async.protocol.budget import Budget  # noqa: PLC0415  (on first use: decimals take time)

        checked("budget", budget, "Budget(...)", fits=isinstance(budget, Budget))
    checked("session", session, "an aiohttp.ClientSession", fits=_is_a(session, aiohttp.ClientSession))
    checked("clock", clock, "a function like time.time", fits=callable(clock))


def is_seconds(value: object) -> bool:
    """Whether a value is a number of seconds, from 0 up."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_plain(value: object) -> bool:
    """Whether a value is a synchronous callable, and not a class."""
    while isinstance(value, functools.partial):
        value = value.func
    later = inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction
    ways = value, getattr(value, "__call__", None)  # noqa: B004  (the `__call__` of an object may be a coroutine function, too)
    return callable(value) and not inspect.isclass(value) and not any(is_one(way) for is_one in later for way in ways)


def _is_a(value: object, *kinds: type) -> bool:
    return value is None or isinstance(value, kinds)


def proxies_from(environment: Mapping[str, str] = os.environ) -> Proxies:
    """The proxies of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

    Raises:
        ConfigurationError: the address of a proxy cannot be parsed.
    """
    try:
        proxies = Proxies.of(environment)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    for name in proxies.unusable:
        logger.warning(
            "%s is not used: only http:// and https:// proxies are possible",
            name,
            extra={"kling_event": "proxy_unusable"},
        )
    return proxies


def warn_of_file_limit(connections: int) -> None:
    """Warns if the client may need more files and connections than the process may open.

    Args:
        connections: the maximum number open at once.
    """
    limit, _ = system.HERE.most_files()
    if limit is not None and connections + FILES_BESIDE > limit:
        logger.warning(
            "concurrency and downloads allow %d connections at once, this process may open %d files only: lower them, "
            "or raise its limit (ulimit -n)",
            connections,
            limit,
            extra={"kling_event": "file_limit"},
        )


def _variable(name: str, environment: Mapping[str, str]) -> str | None:
    """The stripped value of a variable; None if it is empty."""
    return _stripped(name, environment.get(name, "")) or None


_STRIPPED: Final = " \t\r\n\f\v\u00a0\u200b\ufeff\"'`"


def _stripped(name: str, value: object) -> str:
    """A text without surrounding blanks and quotes: `docker --env-file` keeps quotes that a shell removes."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, got {type(value).__name__}")
    text = value.strip(_STRIPPED)
    if text != value.strip("\n") and value.strip():
        logger.warning("%s: blanks or quotes around it were left out", name, extra={"kling_event": "value_mended"})
    return text


def _key(name: str, value: str) -> str:
    text = _stripped(name, value)
    if text[:7].lower() == "bearer ":
        text = text[7:].strip(_STRIPPED)
    if not text:
        raise ConfigurationError(f"{name} is empty", remedy=Remedy.CREDENTIALS)
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigurationError(f"{name} contains letters that no key has; copy it anew from the console")
    return text
