"""Configuration from the environment: keys, base URLs, proxies, the limit of open files."""

import logging
import resource
import sys

import pytest

from kling_async import ConfigurationError, KlingClient
from kling_async.io.config import base_url_from, credentials_from, proxies_from, warn_of_file_limit
from kling_async.protocol.auth import ApiKey, KeyPair

KEY = "key-that-no-log-shows"


@pytest.mark.parametrize("value", [f'"{KEY}"', f"'{KEY}'", f" {KEY}", f"{KEY}\r", f'" Bearer {KEY}"', f"\ufeff{KEY}"])
def test_keys_in_quotes_or_blanks_are_mended(value: str, caplog: pytest.LogCaptureFixture) -> None:
    """Quotes and blanks around a key, as `docker --env-file` keeps them, are removed with a warning without the key."""
    assert credentials_from(None, None, None, {"KLING_API_KEY": value}) == ApiKey(KEY)
    assert credentials_from(value, None, None, {}) == ApiKey(KEY)
    assert "KLING_API_KEY: blanks or quotes" in caplog.text
    assert "api_key: blanks or quotes" in caplog.text
    assert len(caplog.records) == 2
    assert KEY not in caplog.text


def test_a_valid_key_gives_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A valid key gives no warning, even with a trailing newline."""
    assert credentials_from(f"{KEY}\n", None, None, {}) == ApiKey(KEY)
    assert not caplog.records


def test_a_variable_of_quotes_only_is_not_set() -> None:
    """`KLING_API_KEY=""` in an `--env-file` does not hide a pair."""
    environment = {"KLING_API_KEY": '""', "KLING_ACCESS_KEY": "'a'", "KLING_SECRET_KEY": "s"}
    assert credentials_from(None, None, None, environment) == KeyPair("a", "s")


@pytest.mark.parametrize("key", [5, b"key", ["key"], object()])
def test_a_key_of_another_type(key: object) -> None:
    """A key of another type is a ConfigurationError, which is a ValueError too."""
    with pytest.raises(ConfigurationError, match="api_key must be text") as caught:
        KlingClient(api_key=key)  # type: ignore[arg-type]  # wrong on purpose
    assert isinstance(caught.value, ValueError)


def test_an_address_in_quotes_is_mended(caplog: pytest.LogCaptureFixture) -> None:
    """Quotes and blanks around a base URL are removed, as with keys."""
    assert base_url_from(None, {"KLING_BASE_URL": '"https://api.example/"'}) == "https://api.example"
    assert "KLING_BASE_URL" in caplog.text


@pytest.mark.parametrize(
    "address", [5, b"https://a", "http://a:0", "http://a:99999", "https://a b", "https://\u00fc.example", []]
)
def test_an_address_that_cannot_be_used(address: object) -> None:
    """An unusable base URL is refused when the client is created."""
    with pytest.raises(ConfigurationError, match="base_url"):
        base_url_from(address, {})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        ("http://127.evil.com", True),
        ("http://localhost.evil.com", True),
        ("http://10.0.0.1", True),
        ("https://127.evil.com", False),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://localhost:8000", False),
    ],
)
def test_cleartext_warns_unless_the_host_is_local(
    address: str, *, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Cleartext HTTP warns unless the host is local, which does not depend on a prefix of its name."""
    base_url_from(address, {})
    assert ("unencrypted" in caplog.text) == warns


def test_an_invalid_proxy_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid proxy is refused when the client is created, without its password in the error."""
    monkeypatch.setenv("HTTPS_PROXY", "http://u:secret@proxy:port")
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY cannot be read") as caught:
        KlingClient(api_key="k")
    assert "secret" not in str(caught.value)


def test_an_unsupported_proxy_warns(caplog: pytest.LogCaptureFixture) -> None:
    """SOCKS proxies are ignored, with a log record."""
    assert proxies_from({"ALL_PROXY": "socks5://u:secret@127.0.0.1:1"}).by_scheme == {}
    assert "ALL_PROXY is not used" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(("soft", "warnings"), [(64, 1), (4096, 0), (resource.RLIM_INFINITY, 0)])
def test_limits_above_that_of_open_files_warn(
    soft: int, warnings: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Limits above that of open files are logged once per client, with both numbers."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    KlingClient(api_key="k", concurrency=100, downloads=20)
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(found) == warnings
    assert all("120 connections" in text and "64 files" in text for text in found)


def test_a_system_without_a_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, which cannot report a limit of open files, there is no warning."""
    monkeypatch.setitem(sys.modules, "resource", None)
    warn_of_file_limit(10**6)
