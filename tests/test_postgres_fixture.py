"""What tests with a real Postgres rely on."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests import postgres as tools
from tests.postgres import QUICK, Cluster, Relay


def count(dsn: str) -> int:
    """Rows that are there."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("_", [1, 2])
def test_each_test_has_an_empty_database(postgres: str, _: int) -> None:
    """What one test writes, the next one does not find."""
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    assert count(postgres) == 0


def test_a_database_goes_whoever_is_connected(shared_cluster: Cluster) -> None:
    """A test that leaves connections open keeps nothing alive."""
    name = shared_cluster.create()
    with psycopg.connect(shared_cluster.dsn(name), autocommit=True) as connection:
        shared_cluster.drop(name)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_server_that_is_killed_comes_back_with_what_was_committed(own_cluster: Cluster) -> None:
    """At the same address; whoever was connected is told, and what was not committed is gone."""
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


def test_nothing_of_a_server_stays(empty_cluster: Cluster) -> None:
    """Neither its folder nor anything at its port."""
    cluster = Cluster(*QUICK, like=empty_cluster)
    cluster.start()
    cluster.remove()
    assert not cluster.folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(cluster.dsn())


def test_nothing_passes_a_line_that_is_cut(postgres: str) -> None:
    """Neither a statement nor a new connection, until it is mended: then both do, as if nothing had been."""
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


def test_all_connections_of_a_line_can_be_reset(postgres: str) -> None:
    """Those that are there end on both sides; a new one passes."""
    with Relay(postgres) as relay:
        with psycopg.connect(relay.dsn, autocommit=True) as connection:
            relay.reset()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        psycopg.connect(relay.dsn).close()


@pytest.mark.parametrize("arrives", [True, False])
def test_a_line_can_lose_a_commit_or_its_answer(postgres: str, arrives: bool) -> None:  # noqa: FBT001  (pytest names it)
    """The client sees the same both times; the server has committed where the request arrived."""
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    with Relay(postgres) as relay, psycopg.connect(relay.dsn) as connection:
        connection.execute("INSERT INTO kept VALUES (1)")
        relay.lose(b"COMMIT", arrives=arrives)
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
        assert count(relay.dsn) == arrives


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Postgres, tests are skipped with what to install."""
    monkeypatch.setattr(tools, "DEBIANS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install postgresql" in tools.missing()
