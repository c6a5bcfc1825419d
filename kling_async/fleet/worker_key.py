"""Ensures that all workers of a queue use the same API key: a task is not found with the key of another account.

The database contains only a slow, salted hash of the key. The salt begins with the time at which the key was adopted
(0 for the queue's first key): creates sent before that may be in another account.
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
"""Bytes of the salt that contain the time in milliseconds; the others are random."""
_SKEW_SECONDS: Final = 10.0
"""Maximum difference between two workers' clocks, in seconds."""
_COSTS: Final = {"n": 2**14, "r": 8, "p": 1}
"""Takes 16 MiB and about 50 ms."""


async def prove(database: Database, queue: Queue, key: str, *, former: bool = False) -> Account:
    """Checks that a key is the queue's key; a queue without one adopts it.

    Args:
        database: the fleet's database.
        queue: the current queue.
        key: the worker's API key.
        former: whether this worker used the key before the queue was given a new one; then it is not adopted.

    Raises:
        ConfigurationError: the queue has another key, which the account has already accepted; or this is a former key.
        FleetError: the queue has another key, not accepted yet; or the database cannot be used.
    """
    variable = api_key_variable(queue.credentials)
    if former:
        new, (found, works) = b"", await database.step(functools.partial(_found, queue=queue.name))
        if found is None:
            raise ConfigurationError(
                f"the queue has been given a new key, and {variable} is the previous one; restart this worker with the "
                f"new key"
            )
        proof = found
    else:
        is_first = await database.step(functools.partial(_is_unused, queue=queue.name))
        new = await _proof(_salt(0.0 if is_first else time.time()), key)
        proof, works = await database.step(functools.partial(_bound, queue=queue.name, proof=new))
    if hmac.compare_digest(proof, new) or hmac.compare_digest(proof, await _proof(proof[:_SALT], key)):
        return Account(queue=queue.name, credentials=queue.credentials, proof=proof, since=_since(proof))
    if not works:
        raise FleetError(
            f"another worker is trying a different key than this worker's {variable}; waiting for the result"
        )
    raise ConfigurationError(
        f"{variable} is not the key that this queue works with, and tasks of one account are not found in another; set "
        f"that key, or, if the account has a new one, run `kling-async fleet init --new-key --queue {queue.name}`"
    )


async def refused(database: Database, queue: Queue, key: str) -> None:
    """Unbinds the queue from a key that the account refuses, unless the account has accepted it before.

    Raises:
        FleetError: the database cannot be used.
    """
    proof, works = await database.step(functools.partial(_found, queue=queue.name))
    if proof is not None and not works and hmac.compare_digest(proof, await _proof(proof[:_SALT], key)):
        await database.step(functools.partial(forget, queue=queue.name, proof=proof))


async def forget(connection: Connection, queue: str, proof: bytes | None = None) -> None:
    """Makes the queue adopt the key of the next worker; if a proof is given, only if it is the current, unaccepted one.

    Also removes the follower: no session polls for tasks of the new key yet.
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
    """Whether no job of the queue was sent yet, so that its key is the first one."""
    cursor = await connection.execute(
        "SELECT NOT EXISTS (SELECT FROM kling_fleet.jobs WHERE queue = %s AND begun_at IS NOT NULL) AS unused", [queue]
    )
    found = await cursor.fetchone()
    return found is not None and found["unused"]


def _salt(at: float) -> bytes:
    return int(at * 1000).to_bytes(_TIME) + secrets.token_bytes(_SALT - _TIME)


def _since(proof: bytes) -> datetime:
    """Returns when a proof was made, plus the clock skew; the epoch if an older version made it, without the time."""
    made = int.from_bytes(proof[:_TIME]) / 1000
    return datetime.fromtimestamp(_SKEW_SECONDS + (made if made <= time.time() + _SKEW_SECONDS else 0.0), UTC)


async def _proof(salt: bytes, key: str) -> bytes:
    """Returns the salt followed by the salted hash of the key."""
    return salt + await in_thread(functools.partial(hashlib.scrypt, key.encode(), salt=salt, **_COSTS))
