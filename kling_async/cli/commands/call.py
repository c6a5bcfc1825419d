"""The commands of endpoints that make no task: the response is the result."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from kling_async.cli import endpoints, record_options, runner
from kling_async.cli.job import Job, Stage
from kling_async.cli.option_values import stdin_bytes
from kling_async.cli.output import Output, columns_of_terminal
from kling_async.cli.places import places
from kling_async.cli.record_fields import option_names
from kling_async.cli.results import cost_of
from kling_async.cli.runner import Stop
from kling_async.cli.service import client_for
from kling_async.cli.values import Value
from kling_async.protocol.call import CallEndpoint
from kling_async.protocol.errors import KlingError
from kling_async.protocol.speech import SpeechAudio


def run(options: Namespace, output: Output) -> int:
    """Runs the command; returns the exit code."""
    record = endpoints.record(options.endpoint)
    request = record_options.request_from(record, options, stdin_bytes)
    job = Job(
        target=options.output or "",
        overwrite=options.overwrite,
        base_url=options.base_url,
        emulated=options.emulator,
        options=option_names(record),
    )
    return runner.run(job, output, lambda stop: _call(options, request, output, job, stop))


async def _call(options: Namespace, request: Any, output: Output, job: Job, stop: Stop) -> None:
    place = await stop.or_result(places(options, request))
    job.is_directory = place is not None and place.is_directory
    endpoint = endpoints.of(request)
    async with client_for(options, request) as client:
        charges = isinstance(endpoint, CallEndpoint) and endpoint.charges
        job.stage = Stage.CHARGING if charges else Stage.CALLING
        value = await stop.or_result(client.submit(request))
        job.stage = Stage.ANSWERED
        paths = await stop.or_result(_saved(value, job, output)) if job.target else []
    done = Value(value=value, paths=paths, cost=cost_of(value, request), emulated=options.emulator)
    output.result(done.text(columns_of_terminal()), done.short(), done.data())


async def _saved(value: Any, job: Job, output: Output) -> list[Path]:
    """Saves the files of a value: all in a directory, else only the first.

    Raises:
        KlingError: a file cannot be saved; a note with its address is shown before.
    """
    audios = [*_audios(value)]
    paths = []
    for audio in audios if job.is_directory else audios[:1]:
        try:
            paths.append(await audio.save(job.target, overwrite=job.overwrite))
        except KlingError:
            output.note(f"what was made can be fetched for some time at {audio.url}")
            raise
    return paths


def _audios(value: Any) -> Iterator[SpeechAudio]:
    for field in attrs.fields(type(value)) if attrs.has(type(value)) else ():
        items = getattr(value, field.name)
        yield from (each for each in (items if isinstance(items, tuple) else ()) if isinstance(each, SpeechAudio))
