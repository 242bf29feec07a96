"""Clients: what they call, in whose transaction, and the errors they raise."""

from __future__ import annotations

import asyncio
import inspect
import uuid

import psycopg
import pytest
from psycopg.rows import dict_row

from durable import (
    AsyncClient,
    Client,
    StartUncommitted,
    StillRunning,
    UpdateRejected,
    WorkflowAlreadyRunning,
    WorkflowClosed,
    WorkflowFailed,
    WorkflowNotFound,
)

WORKFLOWS = """
CREATE FUNCTION greets(name text, times int DEFAULT 1) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN to_jsonb(repeat('Hello ' || name || '. ', times));
END $$;
CREATE FUNCTION waits() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('mood', '{"good": true}');
  RETURN wf_wait_signal('go');
END $$;
CREATE FUNCTION adds() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  u record;
  total int := 0;
BEGIN
  LOOP
    SELECT * INTO u FROM wf_next_update();
    IF u.name = 'stop' THEN
      PERFORM wf_reply(u.update_id, to_jsonb(total));
      RETURN to_jsonb(total);
    ELSIF (u.args->>'n')::int < 0 THEN
      PERFORM wf_reject(u.update_id, 'less than nothing');
    ELSE
      total := total + (u.args->>'n')::int;
      PERFORM wf_reply(u.update_id, to_jsonb(total));
    END IF;
  END LOOP;
END $$;
"""


@pytest.fixture(scope="module", autouse=True)
def client_workflows(conninfo):
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(WORKFLOWS)


@pytest.fixture
def id():
    return uuid.uuid4().hex


def test_start_and_result(client, id):
    run_id = client.start("greets", {"name": "Ada", "times": 2}, id=id, memo={"from": "test"})
    assert client.result(id, 10) == "Hello Ada. Hello Ada. "
    assert client.result(id, 10, run_id=run_id) == "Hello Ada. Hello Ada. "
    assert client.describe(id)["status"] == "completed"


def test_execute(client, id):
    assert client.execute("greets", {"name": "Ada"}, id=id) == "Hello Ada. "


def test_start_commits_with_the_application(conninfo, client):
    with psycopg.connect(conninfo, row_factory=dict_row) as conn:
        mine = Client(conn)
        with pytest.raises(ZeroDivisionError), conn.transaction():
            mine.start("greets", {"name": "nobody"}, id="rolled-back")
            raise ZeroDivisionError
        with conn.transaction():
            mine.start("greets", {"name": "Ada"}, id="committed")
            with pytest.raises(StartUncommitted), conn.transaction():
                mine.result("committed", 1)
            with pytest.raises(WorkflowNotFound):
                client.result("committed", 1)
        mine.close()
        assert not conn.closed  # it is the application's
    assert client.result("committed", 10) == "Hello Ada. "
    with pytest.raises(WorkflowNotFound):
        client.result("rolled-back", 1)


def test_signal_and_query(client, id):
    client.start("waits", id=id)
    with pytest.raises(StillRunning):
        client.result(id, 0.3)
    assert client.query(id, "mood") == {"good": True}
    client.signal(id, "go", {"n": [1, None, "ü"]})
    assert client.result(id, 10) == {"n": [1, None, "ü"]}


def test_signal_with_start(client, id):
    first = client.signal_with_start("waits", id, "go", "now")
    assert client.result(id, 10, run_id=first) == "now"


def test_update(client, id):
    assert client.update_with_start("adds", id, "add", {"n": 1}, update_id="first") == "first"
    assert client.update(id, "add", update_id="first", timeout=10) == 1
    assert client.update(id, "add", {"n": 2}, timeout=10) == 3
    assert client.update(id, "add", {"n": 4}, update_id="later", wait_for="admitted") is None
    assert client.update(id, "add", update_id="later", timeout=10) == 7
    with pytest.raises(UpdateRejected, match="less than nothing"):
        client.update(id, "add", {"n": -1}, timeout=10)
    assert client.update(id, "stop", timeout=10) == 7
    assert client.result(id, 10) == 7


def test_pause(client, id):
    client.start("adds", id=id)
    assert client.pause(id, "a look") is True
    assert client.pause(id) is False
    with pytest.raises(StillRunning):
        client.update(id, "stop", update_id="it", timeout=0.3)
    assert client.unpause(id) is True
    assert client.unpause(id) is False
    assert client.update(id, "stop", update_id="it", timeout=10) == 0


def test_cancel_and_terminate(client, id):
    client.start("waits", id=id)
    assert client.cancel(id, "enough") is True
    with pytest.raises(WorkflowFailed) as cancelled:
        client.result(id, 10)
    assert cancelled.value.status == "cancelled"
    assert client.cancel(id) is False
    client.start("waits", id=id)
    assert client.terminate(id, "enough") is True
    with pytest.raises(WorkflowFailed) as terminated:
        client.result(id, 10)
    assert terminated.value.status == "terminated"


def test_errors(client, id):
    with pytest.raises(WorkflowNotFound) as missing:
        client.signal(id, "go")
    assert isinstance(missing.value.__cause__, psycopg.Error)
    assert (missing.value.sqlstate, missing.value.message) == ("WF005", str(missing.value))
    client.start("waits", id=id)
    with pytest.raises(WorkflowAlreadyRunning):
        client.start("waits", id=id)
    client.terminate(id)
    with pytest.raises(WorkflowClosed):
        client.signal(id, "go")
    with pytest.raises(psycopg.errors.UndefinedFunction):  # not durable's own: left as it is
        client.start("no_such_workflow")


def test_lost_connection(client, db, id):
    client.start("greets", {"name": "Ada"}, id=id)
    db.execute("SELECT pg_terminate_backend(%s)", (client._connection().info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        client.result(id, 10)
    assert client.result(id, 10) == "Hello Ada. "


def test_async_client(conninfo, id):
    async def talk():
        async with AsyncClient(conninfo) as client:
            await client.start("waits", id=id)
            with pytest.raises(StillRunning):
                await client.result(id, 0.3)
            await client.signal(id, "go", 7)
            assert await client.result(id, 10) == 7
            async with await psycopg.AsyncConnection.connect(conninfo) as conn:
                mine = AsyncClient(conn)
                await mine.start("greets", {"name": "Ada"}, id=f"{id}-2")
                await conn.commit()
            assert await client.result(f"{id}-2", 10) == "Hello Ada. "

    asyncio.run(talk())


def test_both_clients_can_do_the_same():
    def methods(cls):
        return {
            name: inspect.signature(method)
            for name, method in inspect.getmembers(cls, callable)
            if not name.startswith("_") and name != "close"
        }

    assert methods(Client) == methods(AsyncClient)
