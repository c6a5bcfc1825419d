"""PgQueuer, configured for the fleet's tables independently of the environment."""

from typing import Any, Final

import psycopg
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from kling_async.fleet.schema import ENGINE_CHANNEL, SCHEMA


def settings() -> DBSettings:
    """Returns PgQueuer's settings with every field set: it reads missing ones from variables such as PREFIX."""
    return DBSettings(
        prefix="",
        db_schema=SCHEMA,
        channel=Channel(ENGINE_CHANNEL),
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
        durability=Durability.durable,
        widen_id=True,
    )


SETTINGS: Final = settings()


def queries(connection: psycopg.AsyncConnection[Any]) -> Queries:
    """Returns PgQueuer's queries on a connection; they join its current transaction, if there is one.

    Args:
        connection: a connection with `autocommit`.
    """
    return Queries(
        PsycopgDriver(connection),
        qbe=QueryBuilderEnvironment(SETTINGS),
        qbq=QueryQueueBuilder(SETTINGS),
        qbs=QuerySchedulerBuilder(SETTINGS),
    )
