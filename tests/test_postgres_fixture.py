"""The Postgres fixtures."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests import postgres as tools
from tests.postgres import QUICK, Cluster, Relay


def count(dsn: str) -> int:
    """The number of rows."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("_", [1, 2])
def test_each_test_has_an_empty_database(postgres: str, _: int) -> None:
    """The rows of one test are not visible to the next one."""
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    assert count(postgres) == 0


def test_a_database_is_dropped_with_its_connections(shared_cluster: Cluster) -> None:
    """A database is dropped although a test left connections open."""
    name = shared_cluster.create()
    with psycopg.connect(shared_cluster.dsn(name), autocommit=True) as connection:
        shared_cluster.drop(name)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_killed_server_restarts_with_committed_data(own_cluster: Cluster) -> None:
    """A killed server restarts at the same address: clients get an error, and only committed data are kept."""
    dsn = own_cluster.dsn(own_cluster.create())
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
        connection.commit()
        connection.execute("INSERT INTO kept VALUES (2)")
        own_cluster.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
        with pytest.raises(psycopg.OperationalError):
            count(dsn)
        own_cluster.start()
        assert count(dsn) == 1


def test_a_removed_server_leaves_nothing(empty_cluster: Cluster) -> None:
    """A removed server leaves neither a folder nor a listener on its port."""
    cluster = Cluster(*QUICK, like=empty_cluster)
    cluster.start()
    cluster.remove()
    assert not cluster.folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(cluster.dsn())


def test_a_cut_relay_passes_nothing(postgres: str) -> None:
    """A cut relay holds back statements and new connections until it is mended."""
    with ThreadPoolExecutor(2) as threads, Relay(postgres) as relay, psycopg.connect(relay.dsn) as connection:
        connection.autocommit = True
        relay.cut()
        made = threads.submit(connection.execute, "CREATE TABLE kept (id int)")
        connected = threads.submit(lambda: psycopg.connect(relay.dsn))
        with pytest.raises(TimeoutError):
            made.result(0.1)
        assert not connected.done()
        with pytest.raises(psycopg.errors.UndefinedTable):
            count(postgres)
        relay.mend()
        made.result()
        connected.result().close()
    assert count(postgres) == 0


def test_all_connections_of_a_relay_can_be_reset(postgres: str) -> None:
    """Open connections end on both sides; a new one passes."""
    with Relay(postgres) as relay:
        with psycopg.connect(relay.dsn, autocommit=True) as connection:
            relay.reset()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        psycopg.connect(relay.dsn).close()


@pytest.mark.parametrize("arrives", [True, False])
def test_a_relay_can_lose_a_commit_or_its_response(postgres: str, arrives: bool) -> None:  # noqa: FBT001  (pytest names it)
    """The client sees the same error both times; the server has committed where the request arrived."""
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    with Relay(postgres) as relay, psycopg.connect(relay.dsn) as connection:
        connection.execute("INSERT INTO kept VALUES (1)")
        relay.lose(b"COMMIT", arrives=arrives)
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
        assert count(relay.dsn) == arrives


def test_the_skip_reason_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Postgres, tests are skipped with a reason that names what to install."""
    monkeypatch.setattr(tools, "DEBIANS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install postgresql" in tools.missing()
