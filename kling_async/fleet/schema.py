"""The tables of a fleet in Postgres, and the way from one version to the next: forwards only.

PgQueuer's own tables are in the same Postgres schema; jobs there have the id of a row of `jobs` as their payload. What
is paid for stands in the journal of the queue, under the job's key, and nowhere here.
"""

from typing import Final

SCHEMA: Final = "kling_fleet"
"""The Postgres schema of all tables."""

ENGINE_CHANNEL: Final = "kling_fleet_jobs"
"""What PgQueuer notifies on."""

CHANNEL: Final = "kling_fleet"
"""What the fleet notifies on: `<what> <queue>`, of which what is one of the next. All works without it, only later."""

QUEUED: Final = "queued"
"""Jobs can be claimed: they are new, are due again, or a seat or a limit has become free."""
FINISHED: Final = "finished"
"""Jobs have got a number in `finished`."""
HANDED: Final = "handed"
"""The follower has been given tasks."""

JOURNAL_SCHEMA: Final = "kling_journal_{queue}"
"""The Postgres schema of the journal of a queue."""

LOCK: Final = 0x6B6C6A66
"""The advisory lock of those who change the tables themselves."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE queues (
            name TEXT PRIMARY KEY,
            -- The name of the account's credentials, which themselves are never here.
            credentials TEXT NOT NULL,
            -- By which a worker sees that its key is that of the others (worker_key); and whether the account has
            -- accepted something of it.
            key_proof BYTEA,
            key_works BOOLEAN NOT NULL DEFAULT FALSE,
            -- Tasks at once per line.
            tasks_most INTEGER NOT NULL,
            -- JSON: unit, limit, per (seconds), failed_is_free and assume of the account's budget, which is called as
            -- the queue.
            budget TEXT,
            draining BOOLEAN NOT NULL DEFAULT FALSE,
            paused_reason TEXT,
            paused_until TIMESTAMPTZ,
            -- The last number that a finished job got. Its row is locked until that commits: numbers have no gaps, and
            -- are seen in their order.
            finished BIGINT NOT NULL DEFAULT 0,
            -- Of the worker that asks for the tasks of all: its session, and its owner in the journal.
            follower UUID,
            follower_owner BIGINT)""",
        # What the account's refusals have taught of each line: protocol.fleet.learned_limit.
        """CREATE TABLE lines (
            entrypoint TEXT PRIMARY KEY,
            queue TEXT NOT NULL REFERENCES queues (name),
            line TEXT NOT NULL,
            refused_above INTEGER,
            probe_gap DOUBLE PRECISION NOT NULL DEFAULT 12,
            probe_at DOUBLE PRECISION NOT NULL DEFAULT 0,
            empty_pause DOUBLE PRECISION NOT NULL DEFAULT 1,
            not_before DOUBLE PRECISION NOT NULL DEFAULT 0,
            -- Why nothing is sent before that, where it is not for want of slots.
            waits_for TEXT)""",
        "CREATE INDEX lines_of_queues ON lines (queue)",
        """CREATE TABLE jobs (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            queue TEXT NOT NULL REFERENCES queues (name),
            key TEXT NOT NULL,
            -- Keys may be longer than what an index can hold.
            key_sha256 BYTEA NOT NULL,
            endpoint TEXT NOT NULL,
            -- JSON of the members that are sent, with marks for files: their bytes are in the journal of the queue, by
            -- their digests, for as long as the holder `job:<hexadecimal key_sha256>` has them.
            request TEXT NOT NULL,
            -- The members that the version knew which submitted it, with spaces between; NULL of a raw path.
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
            -- From here on it may be sent, and cannot be cancelled.
            begun_at TIMESTAMPTZ,
            -- When its task has ended, and its seat was freed.
            ended_at TIMESTAMPTZ,
            -- A final protocol.fleet.job_state.JobState, its number within the queue, and when it got that.
            outcome TEXT,
            finished BIGINT,
            finished_at TIMESTAMPTZ,
            error TEXT NOT NULL DEFAULT '',
            -- PgQueuer's jobs: of its seat, and of its save.
            seat BIGINT,
            save BIGINT)""",
        "CREATE UNIQUE INDEX jobs_by_key ON jobs (queue, key_sha256)",
        "CREATE UNIQUE INDEX jobs_finished ON jobs (queue, finished) WHERE finished IS NOT NULL",
        "CREATE INDEX jobs_unfinished ON jobs (queue) WHERE finished IS NULL",
        """CREATE TABLE workers (
            -- PgQueuer's queue_manager_id of one session of a worker.
            id UUID PRIMARY KEY,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            queues TEXT[] NOT NULL,
            draining BOOLEAN NOT NULL DEFAULT FALSE,
            started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            seen_at TIMESTAMPTZ NOT NULL DEFAULT now())""",
    ),
)
"""What leads from each version to the next."""

VERSION: Final = len(MIGRATIONS)
OLDEST_READER: Final = 1
"""The oldest version whose code can work with the tables of this one."""
