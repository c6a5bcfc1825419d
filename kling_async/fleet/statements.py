"""SQL statements on jobs that several modules use."""

from typing import Final

from psycopg import sql

FINISH: Final = """
    WITH job AS (
        SELECT id, queue FROM kling_fleet.jobs
        WHERE id = %(id)s AND finished IS NULL FOR UPDATE
    ), number AS (
        UPDATE kling_fleet.queues SET finished = queues.finished + 1 FROM job WHERE name = job.queue
        RETURNING queues.finished, pg_notify('kling_fleet', 'finished ' || name)
    )
    UPDATE kling_fleet.jobs SET
        outcome = %(outcome)s, error = %(error)s, finished = number.finished, finished_at = now()
    FROM job, number WHERE jobs.id = job.id
    RETURNING number.finished
"""
"""Gives a job its final state and the next number of its queue; does nothing if the job is already finished.

As everywhere, the job's row is locked first and the queue's row last. The queue stays locked until the transaction
ends, so this should be its last statement.
"""

CANCEL: Final = """
    WITH job AS (
        SELECT id, queue FROM kling_fleet.jobs
        WHERE queue = %(queue)s AND key_sha256 = %(key_sha256)s AND begun_at IS NULL AND finished IS NULL FOR UPDATE
    ), number AS (
        UPDATE kling_fleet.queues SET finished = queues.finished + 1 FROM job WHERE name = job.queue
        RETURNING queues.finished, pg_notify('kling_fleet', 'finished ' || name)
    )
    UPDATE kling_fleet.jobs SET outcome = 'cancelled', finished = number.finished, finished_at = now()
    FROM job, number WHERE jobs.id = job.id
    RETURNING jobs.seat
"""
"""Like `FINISH`, for cancelling a job that was not begun."""

UNSENT: Final = sql.SQL("""
    UPDATE kling_fleet.jobs SET begun_at = NULL WHERE id = %s AND NOT EXISTS (
        SELECT FROM {journal}.entries WHERE entries.key = replace(jobs.key, chr(63743), chr(63743) || 'f8ff')
        AND entries.state <> 'refused')
""")
"""Makes a job cancellable again, unless something has been, or may have been, paid under its key."""
