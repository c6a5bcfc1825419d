"""That all workers of a queue have the key of one account: a task is not found by the key of another one.

The key is not in the database, only a slow hash of it with a salt, by which nobody finds it. The salt begins with the
time, unless it is of the queue's first key: what was sent before may be in another account.
"""

import functools
import hashlib
import hmac
import secrets
import time
from datetime import UTC, datetime
from typing import Final

from kling_async.fleet.database import Connection, Database
from kling_async.fleet.queues import Queue
from kling_async.fleet.worker_values import Account
from kling_async.io.threads import in_thread
from kling_async.protocol.errors import ConfigurationError, FleetError
from kling_async.protocol.fleet.names import api_key_variable

_SALT: Final = 16
_TIME: Final = 8
"""Bytes of the salt that are its time, in milliseconds; the others are random."""
_SKEW_SECONDS: Final = 10.0
"""Seconds that two workers' clocks may differ by."""
_COSTS: Final = {"n": 2**14, "r": 8, "p": 1}
"""16 MiB, and some 50 ms."""


async def prove(database: Database, queue: Queue, key: str, *, former: bool = False) -> Account:
    """Makes sure that a key is the one that a queue works with; the first one is.

    Args:
        database: of the fleet.
        queue: as it is now.
        key: of the worker.
        former: whether this worker has worked with it before the queue was told of a new one: then it is not the first.

    Raises:
        ConfigurationError: it is another one, and the account has accepted jobs of that; or it is a former one.
        FleetError: it is another one, of which that is not known yet; or the database cannot be used.
    """
    variable = api_key_variable(queue.credentials)
    if former:
        new, (found, works) = b"", await database.step(functools.partial(_found, queue=queue.name))
        if found is None:
            raise ConfigurationError(
                f"the queue was told of a new key, and {variable} is the one from before; start this worker anew with "
                f"the key that it shall work with"
            )
        proof = found
    else:
        is_first = await database.step(functools.partial(_is_unused, queue=queue.name))
        new = await _proof(_salt(0.0 if is_first else time.time()), key)
        proof, works = await database.step(functools.partial(_bound, queue=queue.name, proof=new))
    if hmac.compare_digest(proof, new) or hmac.compare_digest(proof, await _proof(proof[:_SALT], key)):
        return Account(queue=queue.name, credentials=queue.credentials, proof=proof, since=_since(proof))
    if not works:
        raise FleetError(f"another worker tries another key than {variable} of this one; waits for what comes of that")
    raise ConfigurationError(
        f"{variable} is not the key that this queue works with, and tasks of one account are not found in another; set "
        f"that key, or, if the account has a new one, run `kling-async fleet init --new-key --queue {queue.name}`"
    )


async def refused(database: Database, queue: Queue, key: str) -> None:
    """The account refuses a key: unless it has ever accepted something of it, the queue is bound to it no more.

    Raises:
        FleetError: the database cannot be used.
    """
    proof, works = await database.step(functools.partial(_found, queue=queue.name))
    if proof is not None and not works and hmac.compare_digest(proof, await _proof(proof[:_SALT], key)):
        await database.step(functools.partial(forget, queue=queue.name, proof=proof))


async def forget(connection: Connection, queue: str, proof: bytes | None = None) -> None:
    """The queue works with the key of the next worker; where a proof is given, only if that is the present one.

    Nobody asks for the tasks of the new key yet.
    """
    await connection.execute(
        "UPDATE kling_fleet.queues SET key_proof = NULL, key_works = FALSE, follower = NULL, follower_owner = NULL "
        "WHERE name = %(queue)s AND "
        "(%(proof)s::bytea IS NULL OR (key_proof = %(proof)s AND NOT key_works))",
        {"queue": queue, "proof": proof},
    )


async def _bound(connection: Connection, queue: str, proof: bytes) -> tuple[bytes, bool]:
    await connection.execute(
        "UPDATE kling_fleet.queues SET key_proof = %s WHERE name = %s AND key_proof IS NULL", [proof, queue]
    )
    found, works = await _found(connection, queue)
    if found is None:
        raise FleetError("it is gone")
    return found, works


async def _found(connection: Connection, queue: str) -> tuple[bytes | None, bool]:
    cursor = await connection.execute("SELECT key_proof, key_works FROM kling_fleet.queues WHERE name = %s", [queue])
    row = await cursor.fetchone()
    return (None, False) if row is None else (row["key_proof"], row["key_works"])


async def _is_unused(connection: Connection, queue: str) -> bool:
    """Whether nothing was sent in a queue yet, so that its key is the first one."""
    cursor = await connection.execute(
        "SELECT NOT EXISTS (SELECT FROM kling_fleet.jobs WHERE queue = %s AND begun_at IS NOT NULL) AS unused", [queue]
    )
    found = await cursor.fetchone()
    return found is not None and found["unused"]


def _salt(at: float) -> bytes:
    return int(at * 1000).to_bytes(_TIME) + secrets.token_bytes(_SALT - _TIME)


def _since(proof: bytes) -> datetime:
    """When a proof was made, and a little after it; long ago where that is not in it, as older versions made them."""
    made = int.from_bytes(proof[:_TIME]) / 1000
    return datetime.fromtimestamp(_SKEW_SECONDS + (made if made <= time.time() + _SKEW_SECONDS else 0.0), UTC)


async def _proof(salt: bytes, key: str) -> bytes:
    """The salt, and what it makes of the key."""
    return salt + await in_thread(functools.partial(hashlib.scrypt, key.encode(), salt=salt, **_COSTS))
