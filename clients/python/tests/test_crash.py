"""Workers and servers that die."""

from __future__ import annotations

import subprocess
import threading
import time

import psycopg
import pytest
from conftest import eventually, program, restart_server, running

from durable import Client, Worker, activity

VICTIM = """
import sys, time
from durable import Worker, activity

@activity
def counts():
    before = activity.heartbeat_details()
    if before is not None:
        return before
    for n in range(1000000):
        activity.heartbeat({"n": n})
        time.sleep(0.01)

Worker(sys.argv[1], sys.argv[2], [counts]).run()
"""


def test_heartbeat_details_after_sigkill(conninfo, queue, client, start, tmp_path, db):
    script = tmp_path / "victim.py"
    script.write_text(VICTIM)
    id = start("counts", heartbeat="1s", retry={"initial_interval": "10ms"})
    with program(str(script), conninfo, queue):
        time.sleep(2)  # three heartbeats at least have been sent
    with program(str(script), conninfo, queue):
        assert client.result(id, 15)["n"] > 0


GRACEFUL = """
import asyncio, sys, time, durable
from durable import activity

@activity
def takes_a_second():
    print("started", flush=True)
    time.sleep(1)
    return "finished"

worker = getattr(durable, sys.argv[3])(sys.argv[1], sys.argv[2], [takes_a_second])
if sys.argv[3] == "Worker":
    worker.run()
else:
    asyncio.run(worker.run())
"""


def test_sigterm(worker_class, conninfo, queue, client, start, tmp_path):
    script = tmp_path / "graceful.py"
    script.write_text(GRACEFUL)
    id = start("takes_a_second")
    with program(
        str(script), conninfo, queue, worker_class.__name__, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"started\n"
        process.terminate()
        assert process.wait(10) == 0
    assert client.result(id, 1) == "finished"


def test_server_restart_under_load(worker_class, conninfo, queue, start):
    """A crash of the server amid the work: all workflows complete, each effect is there once."""
    total, done = 100, threading.Semaphore(0)

    @activity
    def pays(n):
        # As a service with idempotency keys would do it; a crash may take away the connection.
        while True:
            try:
                with psycopg.connect(conninfo, autocommit=True) as conn:
                    conn.execute(
                        "INSERT INTO payment VALUES (%s, %s) ON CONFLICT DO NOTHING",
                        (activity.info().idempotency_key, n),
                    )
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        done.release()
        return n

    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute("DROP TABLE IF EXISTS payment")
        conn.execute("CREATE TABLE payment (key text PRIMARY KEY, n int)")
    retry = {"initial_interval": "100ms"}
    ids = [start("pays", {"n": n}, heartbeat="2s", retry=retry) for n in range(total)]
    with running(worker_class(conninfo, queue, [pays], slots=4)):
        for _ in range(20):
            done.acquire()
        restart_server()
        with psycopg.connect(conninfo, autocommit=True) as conn:
            sql = "SELECT count(*) FROM wf_executions WHERE workflow_id = ANY(%s) AND status = %s"
            eventually(lambda: conn.execute(sql, (ids, "completed")).fetchone()[0] == total, 30)
            sql = "SELECT count(*), count(DISTINCT n) FROM payment"
            assert conn.execute(sql).fetchone() == (total, total)


def test_completion_kept_while_the_server_is_down(worker_class, conninfo, queue, client, start):
    """The activity ends while there is no server; its result arrives all the same."""
    attempts, down = [], threading.Event()

    @activity
    def ends_meanwhile():
        attempts.append(activity.info().attempt)
        down.wait(20)
        return "kept"

    with running(worker_class(conninfo, queue, [ends_meanwhile])):
        id = start("ends_meanwhile")
        eventually(lambda: attempts)
        time.sleep(0.7)  # a crash forgets claims of the last moments: at least once, not once
        threading.Timer(0.05, down.set).start()  # while the server is starting
        restart_server()
        with Client(conninfo) as later:  # the connection of the other one is gone
            assert later.result(id, 20) == "kept"
    assert attempts == [1]


def test_wrong_conninfo_backs_off(queue, caplog):
    """A server that is not there is tried again ever more rarely, and stop() ends that too."""

    @activity
    def never():
        pass

    worker = Worker("host=/nonexistent", queue, [never])
    with running(worker):
        time.sleep(1.5)
        tries = sum("polling" in record.getMessage() for record in caplog.records)
        assert 3 <= tries <= 8
        began = time.monotonic()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("lost", ["poll", "reports"])
def test_terminated_connections(worker_class, conninfo, queue, client, start, db, lost):
    @activity
    def hello():
        return "hello"

    worker = worker_class(conninfo, queue, [hello], identity=queue)
    with running(worker):
        assert client.result(start("hello"), 10) == "hello"
        order = "query_start DESC" if lost == "reports" else "query_start"
        sql = (
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity"
            f" WHERE application_name = %s ORDER BY {order} LIMIT 1) connection"
        )
        assert db.execute(sql, (f"durable {worker.identity}",)).fetchone() == (True,)
        assert client.result(start("hello"), 10) == "hello"
