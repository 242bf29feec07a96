"""Completions from elsewhere, and those that come too late."""

from __future__ import annotations

import time

import psycopg
import pytest
from conftest import eventually, running

from durable import Client, TaskLost, Worker, WorkflowFailed, activity
from durable.activities import Definition
from durable.codec import PLAIN
from durable.exchange import flush
from durable.ledger import Ledger
from durable.link import execute, run
from durable.task import Completed, Task
from durable.task_calls import poll


@pytest.fixture
def asked_to_complete(conninfo, queue, start, worker_class):
    """A running activity that nobody runs any more; its workflow's id and its Info."""
    seen = []

    @activity
    def by_hand():
        seen.append(activity.info())
        activity.heartbeat({"waiting": True})
        raise activity.CompleteAsync()

    with running(worker_class(conninfo, queue, [by_hand])):
        id = start("by_hand", start_to_close="30s", retry={"max_attempts": 1})
        yield id, eventually(lambda: seen)[0]


def test_complete_by_token(asked_to_complete, client):
    id, info = asked_to_complete
    assert client.heartbeat_activity(info.task_token) == (False, False)
    client.complete_activity(info.task_token, {"by": "token"})
    assert client.result(id, 10) == {"by": "token"}
    with pytest.raises(TaskLost):
        client.complete_activity(info.task_token, {"by": "token"})


def test_complete_by_id(asked_to_complete, client):
    id, info = asked_to_complete
    assert client.heartbeat_activity_by_id(id, info.activity_id, {"half": 1}) == (False, False)
    client.complete_activity_by_id(id, info.activity_id, ["by", "id"], run_id=info.run_id)
    assert client.result(id, 10) == ["by", "id"]


def test_fail_by_id(asked_to_complete, client):
    id, info = asked_to_complete
    client.fail_activity_by_id(id, info.activity_id, "refused", type="Refused", non_retryable=True)
    with pytest.raises(WorkflowFailed, match="refused"):
        client.result(id, 10)


def test_completion_in_the_transaction_of_its_effect(conninfo, queue, client, start, db):
    """The effect and the completion commit together: exactly once, in the database itself."""
    keys = []

    @activity
    def books():
        info = activity.info()
        keys.append(info.idempotency_key)
        with psycopg.connect(conninfo) as conn, conn.transaction():
            conn.execute("INSERT INTO effect VALUES (%s)", (info.idempotency_key,))
            Client(conn).complete_activity(info.task_token, {"attempt": info.attempt})
            if info.attempt == 1:
                raise ValueError("the transaction is rolled back")
        raise activity.CompleteAsync()

    with running(Worker(conninfo, queue, [books])):
        id = start("books", retry={"initial_interval": "10ms"})
        assert client.result(id, 10) == {"attempt": 2}
    assert keys[0] == keys[1]
    count = db.execute("SELECT count(*) FROM effect WHERE key = %s", (keys[0],)).fetchone()
    assert count == (1,)


@activity
def step():
    pass


def claimed(db, queue, ledger, count):
    """Tasks claimed by hand, as a worker does it."""
    definition = Definition(step)
    rows = []
    while len(rows) < count:
        rows += execute(db, poll(queue, count - len(rows), "by hand", 5, None))
    tasks = [Task(row, definition, queue, PLAIN, time.monotonic()) for row in rows]
    for task in tasks:
        ledger.add(task)
    return tasks


def spied_flush(db, ledger):
    """Flushes, and returns the statements it took."""
    sent = []

    def spy(exchange):
        call = next(exchange, None)
        while call is not None:
            sent.append(call.sql)
            try:
                answer = yield call
            except psycopg.Error as error:
                call = exchange.throw(error)
            else:
                try:
                    call = exchange.send(answer)
                except StopIteration:
                    return

    run(db, spy(flush(ledger, time.monotonic())))
    return sent


def test_batch_with_a_stale_token(db, queue, client, start):
    ids = [start("step") for _ in range(4)]
    ledger = Ledger(4, lambda: None)
    tasks = claimed(db, queue, ledger, 4)
    client.complete_activity(tasks[1].token, "by somebody else")
    for number, task in enumerate(tasks):
        ledger.finish(task, Completed(task.token, str(number)))
    sent = spied_flush(db, ledger)
    assert len(sent) == 2 and all("wf_complete_activities" in sql for sql in sent)
    assert ledger.unreported == 0
    results = [client.result(id, 10) for id in ids]
    assert sorted(results, key=str) == [0, 2, 3, "by somebody else"]


def test_heartbeats_with_a_stale_token(db, queue, client, start):
    for _ in range(3):
        start("step", heartbeat="10s")
    ledger = Ledger(3, lambda: None)
    tasks = claimed(db, queue, ledger, 3)
    client.complete_activity(tasks[1].token)
    run(db, flush(ledger, time.monotonic() + 6))
    assert [isinstance(task.interruption, TaskLost) for task in tasks] == [False, True, False]


def test_reports_survive_a_lost_connection(conninfo, db, queue, client, start):
    """What was sent on a connection that died is sent again; what had come through is done."""
    ids = [start("step") for _ in range(2)]
    ledger = Ledger(2, lambda: None)
    tasks = claimed(db, queue, ledger, 2)
    for task in tasks:
        ledger.finish(task, Completed(task.token, '"done"'))
    broken = psycopg.connect(conninfo, autocommit=True)
    db.execute("SELECT pg_terminate_backend(%s)", (broken.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        run(broken, flush(ledger, time.monotonic()))
    assert ledger.unreported == 2
    client.complete_activity(tasks[0].token, "done")  # as if it had come through
    run(db, flush(ledger, time.monotonic()))
    assert ledger.unreported == 0
    assert [client.result(id, 10) for id in ids] == ["done", "done"]
