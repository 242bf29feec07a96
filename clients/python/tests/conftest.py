"""What the tests share: a database, a queue each, and workers that run beside the test."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import psycopg
import pytest

from durable import AsyncWorker, Client, Worker

EXAMPLES = Path(__file__).parent.parent / "examples"

# One workflow for most tests: it runs the activity it is told to.
CALL_ACTIVITY = """
CREATE FUNCTION call_activity(queue text, activity text, input jsonb DEFAULT '{}',
    start_to_close interval DEFAULT '30s', heartbeat interval DEFAULT NULL,
    retry jsonb DEFAULT NULL, cancellation text DEFAULT 'try_cancel')
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity(activity, input, task_queue => queue, start_to_close => start_to_close,
                     heartbeat => heartbeat, retry => retry, cancellation => cancellation);
END $$;
CREATE TABLE effect (key text, at timestamptz DEFAULT clock_timestamp());
"""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The line of a test for tests/run."""
    fd = os.environ.get("DURABLE_RESULTS_FD")
    if fd is None or (report.when != "call" and report.passed):
        return
    name = report.nodeid.rpartition("::")[2]
    line = f"{'not ok' if report.failed else 'ok'} {name}"
    if report.skipped and isinstance(report.longrepr, tuple):
        line += f" # SKIP {report.longrepr[2].replace('Skipped: ', '')}"
    os.write(int(fd), f"{line}\n".encode())


@pytest.fixture(scope="session")
def conninfo() -> str:
    return f"dbname={os.environ['PGDATABASE']}"


@pytest.fixture(scope="session", autouse=True)
def workflows(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(CALL_ACTIVITY)


@pytest.fixture
def db(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo, autocommit=True) as conn:
        yield conn


@pytest.fixture
def client(conninfo: str) -> Iterator[Client]:
    with Client(conninfo) as client:
        yield client


@pytest.fixture
def queue() -> str:
    return f"queue-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def start(client: Client, queue: str) -> Callable[..., str]:
    """Starts a workflow that runs the activity on the test's queue; returns the workflow's id."""

    def start(activity: str, input: Any = None, **options: Any) -> str:
        id = f"{activity}-{uuid.uuid4().hex[:8]}"
        if "retry" in options:
            options["retry"] = retry_policy(client, **options["retry"])
        client.start(
            "call_activity",
            {"queue": queue, "activity": activity, "input": input or {}, **options},
            id=id,
        )
        return id

    return start


def retry_policy(client: Client, **policy: Any) -> Any:
    named = ", ".join(f"{name} => %s" for name in policy)
    conn = client._connection()
    return conn.execute(f"SELECT wf_retry({named})", list(policy.values())).fetchone()[0]


@pytest.fixture(params=[Worker, AsyncWorker])
def worker_class(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextmanager
def running(worker: Any) -> Iterator[Any]:
    """Runs a worker in a thread."""

    def run() -> None:
        result = worker.run()
        if result is not None:
            asyncio.run(result)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive(), "the worker did not stop"


@contextmanager
def program(*arguments: str, stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a Python program, killed when the block is left."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=stdout)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def eventually(condition: Callable[[], Any], timeout: float = 15) -> Any:
    """What the condition returns once it is true."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def restart_server() -> None:
    """Crashes the server and starts it again; skips the test where it is not ours."""
    data, binaries = os.environ.get("PGDATA"), os.environ.get("PG_BIN")
    if not data or not binaries:
        pytest.skip("PGDATA and PG_BIN are not set, so the server cannot be restarted")
    restart = [f"{binaries}/pg_ctl", "-D", data, "-m", "immediate", "-w", "restart"]
    if os.geteuid() == 0:  # pg_ctl refuses root
        restart = ["runuser", "-u", Path(data).owner(), "--", *restart]
    # Not a pipe: the server would inherit it, and we would wait for its end.
    with open(os.devnull, "w") as null:
        subprocess.run(restart, check=True, stdout=null, stdin=null, cwd="/")
