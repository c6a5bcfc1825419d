"""Checks new jobs as a client would, and prepares their rows in the fleet's tables."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from kling_async.batch.row import RowProblem
from kling_async.fleet.kept import File, holder_of
from kling_async.io import refusals, request_checks
from kling_async.io.submission import SubmitOptions
from kling_async.io.threads import in_thread
from kling_async.journal import contents
from kling_async.journal.contents import differences, known_members, split
from kling_async.journal.names import file_name
from kling_async.journal.sql_rows import json_text, number_text
from kling_async.journal.store import Work
from kling_async.protocol.endpoint import Endpoint
from kling_async.protocol.errors import InvalidRequest, Problem
from kling_async.protocol.fleet import save_place
from kling_async.protocol.fleet.names import entrypoint_of, storable
from kling_async.protocol.rules.values import shown
from kling_async.protocol.wire.codec import to_wire

PRIORITY_MOST: Final = 2**31 - 1
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9001, 1, 1, tzinfo=UTC)
"""Times between these can be read back in any time zone; anything outside is a mistake."""


@attrs.frozen
class NewJob:
    """A job to submit, for `Fleet.submit_all`.

    Attributes:
        request: a request as for `KlingClient.submit`.
        key: name of the job in the queue, 1 to 1000 characters.
        save_to: target path of its files, relative to the directory of the worker that saves them; `{key}`,
            `{task_id}` and `{date}` (of submission, UTC) are replaced. None names the files by the key.
        priority: jobs with a higher priority are sent first.
        not_before: the earliest time to send it, with a time zone; None for immediately.
    """

    request: Any
    key: str
    save_to: str | None = None
    priority: int = 0
    not_before: datetime | None = None


@attrs.frozen
class Prepared:
    """A checked job, ready to be submitted.

    Attributes:
        job: the new job.
        digest: digest of its key.
        work: the job in the form that a journal stores.
        files: files of the request.
        values: column values of its row.
    """

    job: NewJob
    digest: bytes
    work: Work
    files: Sequence[File]
    values: dict[str, Any]

    @property
    def holder(self) -> str:
        """The name under which the job holds its files."""
        return holder_of(self.digest)

    @property
    def digests(self) -> list[str]:
        """The digests of its files, sorted."""
        return sorted({file.sha256 for file in self.files})


def digest_of(key: str) -> bytes:
    """Returns the digest by which a key is looked up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


async def prepared(job: NewJob, queue: str, now: float) -> Prepared:
    """Checks a job, and reads its files.

    Args:
        job: the job to submit.
        queue: name of the queue.
        now: seconds since 1970.

    Raises:
        InvalidRequest: the job is invalid; lists all problems.
        ConnectionFailed: this machine is temporarily short of open files or memory.
    """
    endpoint = refusals.endpoint_that_takes(job.request)
    found = await request_checks.problems_of(endpoint, job.request, now)
    own = [*_problems_of_options(job), *_problems_of_slots(endpoint, job.request, found)]
    if own:
        raise InvalidRequest.of([*(each for each in found if not each.only_warns), *own])
    refusals.refuse(found, strict=True)
    members = to_wire(job.request)
    plain, parts = split(members)
    files = await in_thread(lambda: [File.of(part) for part in parts]) if parts else []
    work = Work(
        key=job.key,
        endpoint=endpoint.name,
        external_task_id=None,
        request=contents.kept(members, [file.mark for file in files]) if parts else plain,
        known=None if endpoint.is_raw else known_members(job.request.__class__),
        line=endpoint.line_of(job.request),
        slots=1,
        save_to=job.save_to,
        estimate=endpoint.estimate(job.request),
    )
    prepared = Prepared(job, digest_of(job.key), work, files, {})
    prepared.values.update(_row(prepared, endpoint, queue))
    return prepared


def problems_as_rows(job: NewJob, error: InvalidRequest) -> list[RowProblem]:
    """Returns the problems of one job of a batch, with its key."""
    key = storable(job.key)[:80] if isinstance(job.key, str) else None
    return [RowProblem(line=None, id=key, problem=problem) for problem in error.problems]


def problems_together(given: Sequence[Prepared]) -> list[RowProblem]:
    """Returns the problems of jobs that conflict with each other."""
    return [*_twice(given), *_in_one_place(given)]


def _twice(given: Iterable[Prepared]) -> list[RowProblem]:
    """Finds keys used for different requests."""
    first: dict[bytes, Prepared] = {}
    problems = []
    for job in given:
        before = first.setdefault(job.digest, job)
        if before is not job and differences(before.work, job.work):
            problem = Problem("key", "is given to two different requests; each needs its own")
            problems.append(RowProblem(line=None, id=job.job.key, problem=problem))
    return problems


def _in_one_place(given: Iterable[Prepared]) -> list[RowProblem]:
    """Finds target paths shared by several jobs: all but one job would be paid for but not saved."""
    keys: dict[str, dict[str, None]] = {}
    for job in given:
        template = job.job.save_to
        if template is not None and save_place.is_of_one(template):
            keys.setdefault(template, {})[job.job.key] = None
    return [
        RowProblem(
            line=None,
            id=next(iter(those)),
            problem=Problem(
                "save_to",
                f"{shown(template)} is the place of {len(those)} jobs, and only one can be saved there: put {{key}} or "
                "{task_id} into it, or end it with a / for a folder",
            ),
        )
        for template, those in keys.items()
        if len(those) > 1
    ]


def _problems_of_options(job: NewJob) -> list[Problem]:
    problems: list[Problem] = []
    if not isinstance(job.key, str):
        problems.append(Problem("key", f"must be text of 1 to {refusals.KEY_MAXIMUM} letters"))
    else:
        try:
            refusals.check_options(SubmitOptions(key=job.key), job.request, journal=True)
        except InvalidRequest as error:
            problems += error.problems
    if job.save_to is not None:
        found = [*save_place.problems_of(job.save_to)]
        problems += found if found or problems else save_place.too_long(job.save_to, file_name(job.key))
    if type(job.priority) is not int or abs(job.priority) > PRIORITY_MOST:
        problems.append(Problem("priority", "must be a whole number of at most 32 bits"))
    return problems + _problems_of_moment(job.not_before)


def _problems_of_moment(moment: Any) -> list[Problem]:
    if moment is None:
        return []
    if not (isinstance(moment, datetime) and moment.utcoffset() is not None):
        return [Problem("not_before", "must be a datetime with its zone, as datetime.now(UTC) has it")]
    if not _FIRST <= moment < _LAST:
        return [Problem("not_before", "must be in the years 1970 to 9000; None is at once")]
    return []


def _problems_of_slots(endpoint: Endpoint, request: Any, found: Sequence[Problem]) -> list[Problem]:
    if any(not problem.only_warns for problem in found):
        return []  # the values may have any type
    slots = endpoint.slots_of(request)
    if slots == 1:
        return []
    problem = f"takes {slots} slots of the account; a fleet sends what takes one: ask for one result in each job"
    return [Problem("request", problem)]


def _row(prepared: Prepared, endpoint: Endpoint, queue: str) -> Mapping[str, Any]:
    job, work = prepared.job, prepared.work
    return {
        "key": job.key,
        "key_sha256": prepared.digest,
        "endpoint": storable(work.endpoint),
        "request": json_text(work.request),
        "known": None if work.known is None else " ".join(sorted(work.known)),
        "files": ",".join(prepared.digests),
        "line": storable(work.line),
        "entrypoint": entrypoint_of(queue, work.line),
        "kind": storable(endpoint.kind_of(job.request)),
        "typical_seconds": endpoint.typical_seconds(job.request),
        "is_file": endpoint.result.is_file,
        "estimate_units": number_text(work.estimate.units),
        "estimate_usd": number_text(work.estimate.usd),
        "save_to": job.save_to,
        "priority": job.priority,
        "not_before": job.not_before,
    }
