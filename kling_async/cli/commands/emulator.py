"""`kling-async emulator`: runs an emulator of the service until Ctrl-C."""

import base64
import os
import secrets
import shlex
from argparse import Namespace
from typing import cast

from kling_async.cli import runner
from kling_async.cli.exit_codes import UsageError
from kling_async.cli.job import Job
from kling_async.cli.output import Output
from kling_async.cli.runner import Stop
from kling_async.emulator import Emulator
from kling_async.emulator.service.webhooks import Webhooks
from kling_async.io.config import credentials_from
from kling_async.protocol.auth import ApiKey
from kling_async.protocol.errors import ConfigurationError

_API_KEY = "KLING_EMULATOR_API_KEY"
_WEBHOOK_SECRET = "KLING_EMULATOR_WEBHOOK_SECRET"  # noqa: S105 - a name


def run(options: Namespace, output: Output) -> int:
    """Serves until Ctrl-C, which is its usual end and no error; returns the exit code."""
    return runner.run(Job(target=""), output, lambda stop: _serve(options, output, stop))


def _webhook_secrets(options: Namespace) -> list[str]:
    """Returns the secrets that sign callbacks; from the environment, since other users can read command lines."""
    given = os.environ.get(_WEBHOOK_SECRET, "").split()
    if given or not options.sign_callbacks:
        return given
    return ["whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()]


def _api_key() -> str:
    """Returns the API key, read as a client reads it: a file of variables may serve both, and keep quotes around it.

    Raises:
        UsageError: a client would refuse it.
    """
    given = os.environ.get(_API_KEY, "")
    if not given.strip():
        return f"api-key-emulator-{secrets.token_hex(16)}"
    try:
        return cast("ApiKey", credentials_from(given, None, None)).key
    except ConfigurationError as error:
        raise UsageError(f"{_API_KEY}: {error}") from None


async def _serve(options: Namespace, output: Output, stop: Stop) -> None:
    webhook_secrets = _webhook_secrets(options)
    try:
        Webhooks(webhook_secrets)
    except ValueError as error:
        raise UsageError(f"{_WEBHOOK_SECRET}: {error}") from None
    emulator = Emulator(
        webhook_secrets=webhook_secrets,
        host=options.host,
        port=options.port,
        speed=options.speed,
        concurrency=options.concurrency,
        balance=float(options.balance),
        seed=secrets.randbits(32) if options.seed is None else options.seed,
        allow_hosts=options.allow_host,
        strict=options.strict,
        strict_types=options.strict_types,
        # Random, so that no web page and no other user of the machine can guess them.
        access_key=f"emulator-{secrets.token_hex(16)}",
        secret_key=secrets.token_hex(32),
        api_key=_api_key(),
    )
    try:
        await emulator.start()
    except OSError as error:
        raise UsageError(str(error)) from None
    try:
        variables = environment(emulator)
        output.result(text(emulator.base_url, options.speed, variables), emulator.base_url, variables)
        await stop.requested()
    finally:
        ledger = emulator.ledger
        others = [f", {units:g} {pack}" for pack, units in ledger.charged_by.items() if units and pack != "video"]
        charged = f"{ledger.charged:g}{''.join(others)}"
        output.note(f"\ntasks created: {ledger.created}, saved: {ledger.delivered}; units charged: {charged}")
        await emulator.close()


def environment(emulator: Emulator) -> dict[str, str]:
    """Returns the environment variables with which a client uses the emulator."""
    variables = {
        "KLING_BASE_URL": emulator.base_url,
        "KLING_API_KEY": emulator.api_key,
        "KLING_ACCESS_KEY": emulator.access_key,
        "KLING_SECRET_KEY": emulator.secret_key,
    }
    if emulator.webhooks.secrets:
        variables["KLING_WEBHOOK_SECRET"] = " ".join(emulator.webhooks.secrets)
    return variables


def text(base_url: str, speed: float, variables: dict[str, str]) -> str:
    """Returns text for people to paste from, and for programs that read the address from the first line."""
    exports = "\n".join(f"  export {name}={shlex.quote(value)}" for name, value in variables.items())
    return (
        f"emulator of the Kling API: {base_url}\n"
        f"Open it in a browser to watch tasks, videos and the account.\n"
        f"{speed:g} times as fast as the service; Ctrl-C ends it. For another shell (an API key, or a key pair):\n\n"
        f"{exports}\n"
    )
