"""The tables of a fleet in Postgres, and their migrations, which only go forward.

PgQueuer's own tables are in the same Postgres schema; the payload of its jobs is the id of a row in `jobs`. What was
paid for is recorded only in the queue's journal, under the job's key.
"""

from typing import Final

SCHEMA: Final = "kling_fleet"
"""The Postgres schema of all tables."""

ENGINE_CHANNEL: Final = "kling_fleet_jobs"
"""The channel of PgQueuer's notifications."""

CHANNEL: Final = "kling_fleet"
"""The channel of the fleet's notifications: `<event> <queue>`, with one of the events below.

Everything works without notifications, only with more delay.
"""

QUEUED: Final = "queued"
"""Jobs may be claimable: they are new or due again, or a seat was freed or a limit raised."""
FINISHED: Final = "finished"
"""Jobs were given a number in `finished`."""
HANDED: Final = "handed"
"""Tasks were handed over to the follower."""

JOURNAL_SCHEMA: Final = "kling_journal_{queue}"
"""The Postgres schema of a queue's journal."""

LOCK: Final = 0x6B6C6A66
"""The advisory lock held while migrating the tables."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE queues (
            name TEXT PRIMARY KEY,
            -- The name of the account's credentials; the API key itself is never stored.
            credentials TEXT NOT NULL,
            -- Lets a worker verify that it has the same key as the other workers (worker_key); and whether the account
            -- has accepted a create with that key.
            key_proof BYTEA,
            key_works BOOLEAN NOT NULL DEFAULT FALSE,
            -- Concurrent tasks per line.
            tasks_most INTEGER NOT NULL,
            -- JSON: unit, limit, per (seconds), failed_is_free and assume of the account's budget, which has the name
            -- of the queue.
            budget TEXT,
            draining BOOLEAN NOT NULL DEFAULT FALSE,
            paused_reason TEXT,
            paused_until TIMESTAMPTZ,
            -- The number of the last finished job. The row stays locked until its transaction commits, so numbers have
            -- no gaps and become visible in order.
            finished BIGINT NOT NULL DEFAULT 0,
            -- The worker that polls for all tasks: its session, and its owner number in the journal.
            follower UUID,
            follower_owner BIGINT)""",
        # The limits learned from the account's refusals (protocol.fleet.learned_limit).
        """CREATE TABLE lines (
            entrypoint TEXT PRIMARY KEY,
            queue TEXT NOT NULL REFERENCES queues (name),
            line TEXT NOT NULL,
            refused_above INTEGER,
            probe_gap DOUBLE PRECISION NOT NULL DEFAULT 12,
            probe_at DOUBLE PRECISION NOT NULL DEFAULT 0,
            empty_pause DOUBLE PRECISION NOT NULL DEFAULT 1,
            not_before DOUBLE PRECISION NOT NULL DEFAULT 0,
            -- Why nothing is sent before that, if the reason is not a lack of slots.
            waits_for TEXT)""",
        "CREATE INDEX lines_of_queues ON lines (queue)",
        """CREATE TABLE jobs (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            queue TEXT NOT NULL REFERENCES queues (name),
            key TEXT NOT NULL,
            -- Keys may be too long for an index.
            key_sha256 BYTEA NOT NULL,
            endpoint TEXT NOT NULL,
            -- JSON of the members to send, with marks in place of files. The bytes are in the queue's journal, by
            -- digest, as long as the holder `job:<hexadecimal key_sha256>` holds them.
            request TEXT NOT NULL,
            -- The members known to the version that submitted the job, separated by spaces; NULL for a raw path.
            known TEXT,
            files TEXT[] NOT NULL,
            line TEXT NOT NULL,
            entrypoint TEXT NOT NULL,
            kind TEXT NOT NULL,
            typical_seconds DOUBLE PRECISION NOT NULL,
            is_file BOOLEAN NOT NULL,
            estimate_units TEXT,
            estimate_usd TEXT,
            save_to TEXT,
            priority INTEGER NOT NULL,
            not_before TIMESTAMPTZ,
            submitted_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            -- From then on the job may have been sent and cannot be cancelled.
            begun_at TIMESTAMPTZ,
            -- When its task ended and its seat was freed.
            ended_at TIMESTAMPTZ,
            -- The final protocol.fleet.job_state.JobState, the number in the queue, and when both were set.
            outcome TEXT,
            finished BIGINT,
            finished_at TIMESTAMPTZ,
            error TEXT NOT NULL DEFAULT '',
            -- Ids of the PgQueuer jobs of its seat and of its save.
            seat BIGINT,
            save BIGINT)""",
        "CREATE UNIQUE INDEX jobs_by_key ON jobs (queue, key_sha256)",
        "CREATE UNIQUE INDEX jobs_finished ON jobs (queue, finished) WHERE finished IS NOT NULL",
        "CREATE INDEX jobs_unfinished ON jobs (queue) WHERE finished IS NULL",
        """CREATE TABLE workers (
            -- The queue_manager_id of a worker's session in PgQueuer.
            id UUID PRIMARY KEY,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            queues TEXT[] NOT NULL,
            draining BOOLEAN NOT NULL DEFAULT FALSE,
            started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            seen_at TIMESTAMPTZ NOT NULL DEFAULT now())""",
    ),
)
"""The statements that migrate from each version to the next."""

VERSION: Final = len(MIGRATIONS)
OLDEST_READER: Final = 1
"""The oldest version whose code can use the current tables."""
