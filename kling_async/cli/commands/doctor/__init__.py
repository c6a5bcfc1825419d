"""`kling-async doctor`: checks keys, address, network, account and disk before anything is paid."""

import asyncio
import contextlib
import logging
import os
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping

from kling_async.cli import progress, runner
from kling_async.cli.commands.doctor import call, host, machine, probes, way
from kling_async.cli.commands.doctor.checks import Check, State, as_data, as_text, problems_in, summary
from kling_async.cli.commands.doctor.host import Address
from kling_async.cli.exit_codes import Exit
from kling_async.cli.job import Job
from kling_async.cli.output import Output, columns_of_terminal, failure
from kling_async.cli.runner import Stop
from kling_async.io import system
from kling_async.io.config import base_url_from, credentials_from, proxies_from
from kling_async.protocol.auth import ApiKey, KeyPair
from kling_async.protocol.errors import ConfigurationError


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    checks: list[Check] = []
    code = runner.run(Job(target=""), output, lambda stop: _examine(options, output, stop, checks))
    return code or (Exit.UNWELL if problems_in(checks) else Exit.OK)


async def _examine(options: Namespace, output: Output, stop: Stop, checks: list[Check]) -> None:
    with _without_warnings(), progress.shown(output) as display:
        display.status("checking")
        checks += await stop.or_result(_checks(options.base_url, options.out, os.environ))
    bad = [check for check in checks if check.state in {State.WARNING, State.PROBLEM}]
    data = {"checks": as_data(checks)}
    if problems_in(checks):
        data = failure(Exit.UNWELL, "Unwell", summary(checks)) | data
    width = columns_of_terminal()
    output.result(f"{as_text(checks, width)}\n\n{summary(checks)}", as_text(bad, width) or "ok", data)


async def _checks(base_url: str | None, directory: str, environment: Mapping[str, str]) -> list[Check]:
    """Returns all checks, in the order in which they are shown."""
    keys = _keys(environment)
    source = "--base-url" if base_url else "KLING_BASE_URL" if environment.get("KLING_BASE_URL") else "the default"
    target = _target(base_url, source, environment)
    placed, between = await asyncio.gather(probes.try_place(directory), _way(target, keys, environment))
    return [
        machine.credentials(environment, keys),
        host.address(target, source, base_url or environment.get("KLING_BASE_URL", "")),
        *between,
        machine.files(*system.HERE.most_files()),
        machine.place(placed),
    ]


async def _way(
    target: Address | ConfigurationError,
    keys: ApiKey | KeyPair | ConfigurationError,
    environment: Mapping[str, str],
) -> list[Check]:
    """Returns the checks that depend on the network."""
    try:
        found = proxies_from(environment)
    except ConfigurationError as error:
        return [way.unreadable(error) if check.name == "proxy" else check for check in _no_way("see proxy")]
    if isinstance(target, ConfigurationError):
        return _no_way("there is no address to try")
    through = way.proxy_for(target, found)
    dialled = await probes.dial(target, through)
    result, refused = None, None
    if dialled.reached is way.Step.DONE:
        usable = None if isinstance(keys, ConfigurationError) or not target.takes_key else keys
        result = await probes.call_legacy(target, found, usable, machine.secrets(environment))
        if isinstance(usable, ApiKey) and result.error is None:
            refused = await probes.call_current(target, found, usable)
    trust, now = probes.trust(environment), time.time()
    return [
        way.dns(target, through, dialled),
        way.proxy(target, found, dialled, trust, now),
        way.connection(target, through, dialled),
        way.certificate(target, dialled, trust, now),
        call.call(target, result),
        call.current(target, result, refused),
        call.clock(result),
    ]


def _no_way(why: str) -> list[Check]:
    names = ("dns", "proxy", "connection", "certificate", "call", "current", "clock")
    return [Check(name, State.SKIPPED, why) for name in names]


def _keys(environment: Mapping[str, str]) -> ApiKey | KeyPair | ConfigurationError:
    try:
        return credentials_from(None, None, None, environment)
    except ConfigurationError as error:
        return error


def _target(base_url: str | None, source: str, environment: Mapping[str, str]) -> Address | ConfigurationError:
    try:
        return Address(base_url_from(base_url, environment), source)
    except ConfigurationError as error:
        return error


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppresses the client's warnings: checks report the same."""

    def is_no_warning(record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING

    logger = logging.getLogger("kling_async")
    logger.addFilter(is_no_warning)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(is_no_warning)
