"""The bytes of jobs' files, in the journal of their queue, by their digests, for as long as a job needs them."""

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
"""Jobs of which files are deleted in one step."""
_LOCK_SECONDS: Final = 10


@attrs.frozen
class File:
    """A file of a request.

    Attributes:
        part: what was given.
        sha256: of its bytes.
        size: how many they are.
    """

    part: Part
    sha256: str
    size: int

    @classmethod
    def of(cls, part: Part) -> "File":
        """Reads it; blocks.

        Raises:
            InvalidRequest: it cannot be read.
        """
        data = _read(part)
        return cls(part, hashlib.sha256(data).hexdigest(), len(data))

    @property
    def mark(self) -> dict[str, str]:
        """What stands for it in a request."""
        where = {"kept": self.sha256} if self.part.path is None else {"path": self.part.path}
        return where | {"sha256": self.sha256, "kind": type(self.part.given).__name__}

    def data(self) -> bytes:
        """Its bytes; blocks.

        Raises:
            InvalidRequest: they are others now.
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
    """Who has the files of a job."""
    return f"job:{key_sha256.hex()}"


async def missing(connection: Connection, queue: str, digests: Collection[str]) -> set[str]:
    """Those of some bytes that the journal does not have."""
    query = sql.SQL("SELECT sha256 FROM {}.kept WHERE sha256 = ANY({})").format(_journal(queue), [*digests])
    cursor = await connection.execute(query)
    return {*digests} - {row["sha256"] for row in await cursor.fetchall()}


async def hold(
    connection: Connection, queue: str, data: Mapping[str, bytes], needs: Mapping[str, Collection[str]]
) -> bool:
    """Keeps bytes for jobs; whether all that they need is there.

    Args:
        connection: in a transaction, which should end with it.
        queue: of the jobs.
        data: bytes by their digests, as far as they may be missing.
        needs: digests by who has them.
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
    """Whether all of this is kept, until the end of the transaction at least."""
    query = sql.SQL("SELECT FROM {}.kept_for WHERE holder = ANY({}) FOR KEY SHARE").format(_journal(queue), [*needs])
    cursor = await connection.execute(query)
    return cursor.rowcount >= sum(len({*digests}) for digests in needs.values())


async def swept(connection: Connection, queue: str, most: int) -> list[str]:
    """Some of those who have something that no unfinished job needs, for `sweep`; nothing is locked for that."""
    query = sql.SQL("SELECT DISTINCT holder FROM {}.kept_for WHERE {} LIMIT {}")
    cursor = await connection.execute(query.format(_journal(queue), _unneeded(queue), most))
    return [row["holder"] for row in await cursor.fetchall()]


async def sweep(connection: Connection, queue: str, holders: Sequence[str]) -> None:
    """Takes from some what no unfinished job needs.

    What somebody is about to submit may be taken from him: he looks whether it is there before it counts.

    Args:
        connection: in a transaction, which should end with it: nobody else can write to the journal meanwhile.
        queue: of the jobs.
        holders: at most `SWEPT` of them: thousands of files are deleted for longer than all others can wait.
    """
    journal = _journal(queue)
    await _lock(connection, queue)
    unneeded = sql.SQL("holder = ANY({}) AND {}").format([*holders], _unneeded(queue))
    # Waits for who has looked at it, and is about to have a job; the next statement then sees that.
    await connection.execute(sql.SQL("SELECT FROM {}.kept_for WHERE {} FOR UPDATE").format(journal, unneeded))
    gone = sql.SQL("DELETE FROM {}.kept_for WHERE {} RETURNING sha256").format(journal, unneeded)
    cursor = await connection.execute(gone)
    digests = [row["sha256"] for row in await cursor.fetchall()]
    nobody = sql.SQL(
        "DELETE FROM {0}.kept WHERE sha256 = ANY({1}) AND NOT EXISTS "
        "(SELECT FROM {0}.kept_for WHERE kept_for.sha256 = kept.sha256)"
    ).format(journal, digests)
    await connection.execute(nobody)


def _unneeded(queue: str) -> sql.Composed:
    return sql.SQL(
        "holder LIKE 'job:%' AND NOT EXISTS (SELECT FROM kling_fleet.jobs WHERE queue = {} "
        "AND key_sha256 = decode(substr(holder, 5), 'hex') AND finished IS NULL AND sha256 = ANY(files))"
    ).format(queue)


def _journal(queue: str) -> sql.Identifier:
    return sql.Identifier(JOURNAL_SCHEMA.format(queue=queue))


async def _lock(connection: Connection, queue: str) -> None:
    """One step of the journal after the other, as its clients have it; not waited for for ever."""
    await connection.execute(f"SET LOCAL lock_timeout TO '{_LOCK_SECONDS}s'".encode())
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_of(JOURNAL_SCHEMA.format(queue=queue))])
