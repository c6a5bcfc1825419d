import contextlib
import http.client
import json
import signal
import socket

import pytest

from .conftest import CAT, Run, line_with, started

pytestmark = pytest.mark.usefixtures("hurry")


def test_serves_until_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The printed lines set up another shell; Ctrl-C is the normal end."""
    with started("emulator", "--speed", "300") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert line_with(process.stdout, "emulator of the Kling API: http://127.0.0.1:")
        for name in ("KLING_BASE_URL", "KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY"):
            monkeypatch.setenv(name, line_with(process.stdout, f"export {name}=").strip().partition("=")[2])
        assert run("generate", CAT, "-o", "a.mp4").code == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "tasks created: 1, saved: 1; units charged: 1.5" in process.stderr.read()


def test_for_programs() -> None:
    """With `--json` a program reads one line; SIGTERM ends it as well."""
    with started("emulator", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["KLING_BASE_URL"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize("balance", ["nan", "inf", "-1", "many"])
def test_a_balance_that_no_account_has(run: Run, balance: str) -> None:
    """A negative or invalid balance is a mistake in the command line."""
    ran = run("emulator", f"--balance={balance}")
    assert (ran.code, ran.out) == (2, "")
    assert f"argument --balance: must be a number from 0 up, got '{balance}'" in ran.err


def test_port_is_taken(run: Run) -> None:
    """A port in use is reported as text."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = run("emulator", "--port", str(taken.getsockname()[1]))
    assert ran.code == 2
    assert "cannot listen" in ran.err
    assert "Traceback" not in ran.err


def environment(*words: str) -> dict[str, str]:
    """The variables printed by an emulator in a separate process that has ended."""
    with started("emulator", "--json", *words) as process:
        assert process.stdout is not None
        variables: dict[str, str] = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    return variables


def test_keys_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start has different keys even with the same seed, unless the environment sets the API key."""
    first, second = environment("--seed", "1"), environment("--seed", "1")
    monkeypatch.setenv("KLING_EMULATOR_API_KEY", "known")
    third = environment()

    for name in ("KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY"):
        assert first[name] != second[name]
        assert len(first[name]) >= 32
    assert third["KLING_API_KEY"] == "known"


def test_a_key_is_read_as_clients_read_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks and quotes around it, as in files of variables, are removed; an invalid one is an error."""
    monkeypatch.setenv("KLING_EMULATOR_API_KEY", ' "known"\n')
    assert environment()["KLING_API_KEY"] == "known"
    monkeypatch.setenv("KLING_EMULATOR_API_KEY", "two words")
    ran = run("emulator")
    assert ran.code == 2
    assert "KLING_EMULATOR_API_KEY: api_key contains letters that no key has" in ran.err


def test_callbacks_are_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks are signed with a secret of the environment, or a random one; it is printed, and never an option."""
    name = "KLING_WEBHOOK_SECRET"
    assert name not in environment()
    first, second = environment("--sign-callbacks")[name], environment("--sign-callbacks")[name]
    assert first.startswith("whsec_")
    assert first != second
    monkeypatch.setenv("KLING_EMULATOR_WEBHOOK_SECRET", "whsec_AAAA whsec_BBBB")
    assert environment()[name] == "whsec_AAAA whsec_BBBB"


def test_an_invalid_webhook_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid secret is refused, with a message that does not contain it."""
    monkeypatch.setenv("KLING_EMULATOR_WEBHOOK_SECRET", "whsec_?secret?")
    ran = run("emulator")
    assert ran.code == 2
    assert "KLING_EMULATOR_WEBHOOK_SECRET" in ran.err
    assert "?secret?" not in ran.err


def test_hosts_and_types_are_passed_on() -> None:
    """`--allow-host` names hosts for the page; `--strict-types` refuses a number for a string, `--strict` more."""
    with started(
        "emulator", "--json", "--allow-host", "kling", "--allow-host", "10.0.0.5", "--strict-types", "--strict"
    ) as process:
        assert process.stdout is not None
        variables = json.loads(process.stdout.readline())
        url = variables["KLING_BASE_URL"]
        statuses = {
            host: status(url, "GET", "/_emulator/ledger", Host=host) for host in ("kling:80", "10.0.0.5", "10.0.0.6")
        }
        headers = {"Authorization": f"Bearer {variables['KLING_API_KEY']}", "Content-Type": "application/json"}
        body = b'{"image": "https://images.example/a.png", "duration": %s}'
        bodies = [body % b"5", body % b'"5"', body % b'"5", "settings": {}']
        created = [status(url, "POST", "/v1/videos/image2video", each, **headers) for each in bodies]
        process.send_signal(signal.SIGTERM)
        process.wait(10)

    assert statuses == {"kling:80": 200, "10.0.0.5": 200, "10.0.0.6": 403}
    assert created == [400, 200, 400]


def status(base_url: str, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    """The HTTP status of an answer."""
    connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        return connection.getresponse().status
