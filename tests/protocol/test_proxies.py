import pytest

from kling_async.protocol.proxies import Proxies, is_loopback

PROXY = "http://proxy.example:3128"
BOTH = {"HTTP_PROXY": "http://plain.example:1", "HTTPS_PROXY": "http://tls.example:2"}


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.example/v1", None),
        (BOTH, "https://api.example/v1", "http://tls.example:2"),
        (BOTH, "http://api.example/v1", "http://plain.example:1"),
        ({"HTTP_PROXY": PROXY}, "https://api.example", None),
        (
            {"HTTPS_PROXY": PROXY, "https_proxy": "http://small.example:1"},
            "https://a.example",
            "http://small.example:1",
        ),
        ({"HTTPS_PROXY": PROXY, "https_proxy": ""}, "https://a.example", None),
        ({"ALL_PROXY": PROXY}, "https://a.example", PROXY),
        ({"all_proxy": PROXY, "HTTPS_PROXY": "http://tls.example:2"}, "https://a.example", "http://tls.example:2"),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": f' "{PROXY}" '}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": "https://u:p@proxy.example"}, "https://a.example", "https://u:p@proxy.example"),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "http://a.example", None),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, "http://a.example", PROXY),
    ],
)
def test_an_address_has_the_proxy_of_its_scheme(environment: dict[str, str], url: str, proxy: str | None) -> None:
    """The variable of the scheme precedes ALL_PROXY, lower case upper case; an empty value disables it."""
    assert Proxies.of(environment).for_address(url) == proxy


def test_a_proxy_has_the_name_of_its_variable() -> None:
    """A proxy has the name of its variable as in the environment; an unused one has none."""
    environment = {"all_proxy": PROXY, "ALL_PROXY": "socks5://a", "HTTP_PROXY": "socks5://a"}
    assert Proxies.of(environment).variables == {"https": "all_proxy"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.8.8.8", "[::1]", "[::]"])
def test_loopback_needs_no_proxy(host: str) -> None:
    """Loopback addresses, such as an emulator's, use no proxy, whatever the variables contain."""
    assert Proxies.of({"ALL_PROXY": PROXY}).for_address(f"http://{host}:8000/v1") is None
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.evil.com", "localhost.evil.com", "notlocalhost", "10.0.0.1", "[2001:db8::1]", "128.0.0.1", ""]
)
def test_other_hosts_are_not_loopback(host: str) -> None:
    """A host name that looks like a loopback address is none."""
    assert not is_loopback(host)


def test_an_address_in_the_other_family_is_the_same_machine() -> None:
    """An IPv4 address mapped to IPv6 matches like IPv4."""
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:10.0.0.1")


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("*", "https://api.example", True),
        ("other.example, *", "https://api.example", True),
        ("api.example", "https://api.example", True),
        ("API.Example", "https://api.example", True),
        ("example", "https://api.example", True),
        (".example", "https://api.example", True),
        ("*.example", "https://api.example", True),
        ("pi.example", "https://api.example", False),
        ("api.example.com", "https://api.example", False),
        ("api.example.", "https://api.example./v1", True),
        ("a.example b.example", "https://b.example", True),
        ("api.example:443", "https://api.example", True),
        ("api.example:443", "https://api.example:8443", False),
        ("api.example:8443", "https://api.example:8443/v1", True),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.1.2.3", "http://10.1.2.3:80", True),
        ("10.1.2.3:80", "http://10.1.2.3", True),
        ("10.1.2.3:81", "http://10.1.2.3", False),
        ("fd00::/8", "http://[fd12::1]:8000", True),
        ("[fd12::1]", "http://[fd12::1]:8000", True),
        ("[fd12::1]:8000", "http://[fd12::1]:8000", True),
        ("[fd12::1]:8001", "http://[fd12::1]:8000", False),
        ("10.0.0.0/99", "http://10.1.2.3", False),
        ("", "https://api.example", False),
        (", .", "https://api.example", False),
    ],
)
def test_no_proxy_lists_hosts_without_a_proxy(no_proxy: str, url: str, *, direct: bool) -> None:
    """NO_PROXY has names with subdomains, addresses and networks, with or without a port; `*` matches all."""
    found = Proxies.of({"ALL_PROXY": PROXY, "NO_PROXY": no_proxy}).for_address(url)
    assert found == (None if direct else PROXY)


@pytest.mark.parametrize(
    "text",
    ["http://", "http://u:secret@proxy:99999", "http://[::1", "http://a b", "http://u:s\u0142owo-secret@p:1", "x:y:z"],
)
def test_a_proxy_that_cannot_be_read(text: str) -> None:
    """The error about an invalid proxy names the variable, but not the address, which may have a password."""
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY cannot be read") as caught:
        Proxies.of({"HTTPS_PROXY": text})
    assert "secret" not in str(caught.value)


def test_a_socks_proxy_is_not_used() -> None:
    """A SOCKS proxy is not supported: its variable is reported once, and no proxy is used."""
    proxies = Proxies.of({"ALL_PROXY": "socks5://u:secret@127.0.0.1:1080"})
    assert proxies.unusable == ("ALL_PROXY",)
    assert proxies.for_address("https://api.example") is None


def test_passwords_of_proxies_do_not_show() -> None:
    """The repr of the proxies hides passwords, and they are among the secrets left out of texts."""
    proxies = Proxies.of({"ALL_PROXY": "http://u:s%40cret@proxy:1"})
    assert proxies.secrets == ("s@cret",)
    assert "cret" not in repr(proxies) + repr(proxies.secrets)
