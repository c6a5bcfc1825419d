"""Stores the contents of jobs' files in their queue's journal, by digest, as long as a job needs them."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs
from psycopg import sql

from kling_async.fleet.database import Connection
from kling_async.fleet.schema import JOURNAL_SCHEMA
from kling_async.io.upload import opened, reason
from kling_async.journal.contents import Part
from kling_async.journal.postgres.database import lock_of
from kling_async.protocol.errors import InvalidRequest, Problem
from kling_async.protocol.media.given import Media

SWEPT: Final = 20
"""Maximum number of jobs whose files are deleted in one step."""
_LOCK_SECONDS: Final = 10


@attrs.frozen
class File:
    """A file of a request.

    Attributes:
        part: the part of the request.
        sha256: digest of its contents.
        size: number of bytes.
    """

    part: Part
    sha256: str
    size: int

    @classmethod
    def of(cls, part: Part) -> "File":
        """Reads a file; blocks.

        Raises:
            InvalidRequest: it cannot be read.
        """
        data = _read(part)
        return cls(part, hashlib.sha256(data).hexdigest(), len(data))

    @property
    def mark(self) -> dict[str, str]:
        """The placeholder for the file in a stored request."""
        where = {"kept": self.sha256} if self.part.path is None else {"path": self.part.path}
        return where | {"sha256": self.sha256, "kind": type(self.part.given).__name__}

    def data(self) -> bytes:
        """Returns the contents; blocks.

        Raises:
            InvalidRequest: they have changed or cannot be read.
        """
        data = _read(self.part)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise InvalidRequest.of([Problem(self.part.path or "", "changed while it was read")])
        return data


def _read(part: Part) -> bytes:
    data = part.data
    if data is not None:
        return data
    assert isinstance(part.given, Media)  # noqa: S101  (for checkers: it has a path)
    try:
        with opened(part.given) as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise InvalidRequest.of([Problem(part.path or "", f"cannot be read: {reason(error)}")]) from None


def holder_of(key_sha256: bytes) -> str:
    """Returns the name under which a job holds its files."""
    return f"job:{key_sha256.hex()}"


async def missing(connection: Connection, queue: str, digests: Collection[str]) -> set[str]:
    """Returns those of some digests whose contents the journal does not have."""
    query = sql.SQL("SELECT sha256 FROM {}.kept WHERE sha256 = ANY({})").format(_journal(queue), [*digests])
    cursor = await connection.execute(query)
    return {*digests} - {row["sha256"] for row in await cursor.fetchall()}


async def hold(
    connection: Connection, queue: str, data: Mapping[str, bytes], needs: Mapping[str, Collection[str]]
) -> bool:
    """Stores file contents for jobs; returns whether all that they need is stored.

    Args:
        connection: a connection in a transaction, which should end after this.
        queue: the jobs' queue.
        data: the contents that may be missing, by digest.
        needs: the digests that each holder needs.
    """
    journal = _journal(queue)
    await _lock(connection, queue)
    put = sql.SQL("INSERT INTO {}.kept VALUES (%s, %s) ON CONFLICT DO NOTHING").format(journal)
    for each in data.items():
        await connection.execute(put, each)
    if await missing(connection, queue, {digest for digests in needs.values() for digest in digests}):
        return False
    have = sql.SQL("INSERT INTO {}.kept_for VALUES (%s, %s) ON CONFLICT DO NOTHING").format(journal)
    async with connection.cursor() as cursor:
        await cursor.executemany(have, [(holder, digest) for holder, digests in needs.items() for digest in digests])
    return True


async def are_held(connection: Connection, queue: str, needs: Mapping[str, Collection[str]]) -> bool:
    """Whether all of these are stored; they stay so at least until the end of the transaction."""
    query = sql.SQL("SELECT FROM {}.kept_for WHERE holder = ANY({}) FOR KEY SHARE").format(_journal(queue), [*needs])
    cursor = await connection.execute(query)
    return cursor.rowcount >= sum(len({*digests}) for digests in needs.values())


async def swept(connection: Connection, queue: str, most: int) -> list[str]:
    """Returns some holders of files that no unfinished job needs, for `sweep`; takes no locks."""
    query = sql.SQL("SELECT DISTINCT holder FROM {}.kept_for WHERE {} LIMIT {}")
    cursor = await connection.execute(query.format(_journal(queue), _unneeded(queue), most))
    return [row["holder"] for row in await cursor.fetchall()]


async def sweep(connection: Connection, queue: str, holders: Sequence[str]) -> None:
    """Deletes those files of some holders that no unfinished job needs.

    This may include files of a job that is just being submitted; `submit` checks for that before it commits.

    Args:
        connection: a connection in a transaction, which should end after this: it blocks all writers of the journal.
        queue: the jobs' queue.
        holders: at most `SWEPT` holders: deleting thousands of files would block other writers for too long.
    """
    journal = _journal(queue)
    await _lock(connection, queue)
    unneeded = sql.SQL("holder = ANY({}) AND {}").format([*holders], _unneeded(queue))
    # Waits for submissions that have checked these files but not committed; the next statement sees their jobs.
    await connection.execute(sql.SQL("SELECT FROM {}.kept_for WHERE {} FOR UPDATE").format(journal, unneeded))
    gone = sql.SQL("DELETE FROM {}.kept_for WHERE {} RETURNING sha256").format(journal, unneeded)
    cursor = await connection.execute(gone)
    digests = [row["sha256"] for row in await cursor.fetchall()]
    unheld = sql.SQL(
        "DELETE FROM {0}.kept WHERE sha256 = ANY({1}) AND NOT EXISTS "
        "(SELECT FROM {0}.kept_for WHERE kept_for.sha256 = kept.sha256)"
    ).format(journal, digests)
    await connection.execute(unheld)


def _unneeded(queue: str) -> sql.Composed:
    return sql.SQL(
        "holder LIKE 'job:%' AND NOT EXISTS (SELECT FROM kling_fleet.jobs WHERE queue = {} "
        "AND key_sha256 = decode(substr(holder, 5), 'hex') AND finished IS NULL AND sha256 = ANY(files))"
    ).format(queue)


def _journal(queue: str) -> sql.Identifier:
    return sql.Identifier(JOURNAL_SCHEMA.format(queue=queue))


async def _lock(connection: Connection, queue: str) -> None:
    """Takes the lock that serializes the journal's writers, with a timeout."""
    await connection.execute(f"SET LOCAL lock_timeout TO '{_LOCK_SECONDS}s'".encode())
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_of(JOURNAL_SCHEMA.format(queue=queue))])
