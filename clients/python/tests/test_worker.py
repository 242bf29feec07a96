"""Activities run by both kinds of workers, and how they end."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import eventually, running

from durable import (
    ActivityCancelled,
    ApplicationError,
    TaskLost,
    WorkflowFailed,
    activity,
)


def test_completes(worker_class, conninfo, queue, client, start):
    @activity
    def double(x: int, unit: str = "m") -> dict:
        return {"x": 2 * x, "unit": unit}

    @activity(name="whole")
    def takes_an_object(order: dict) -> Any:
        return [order, activity.info().attempt]

    @activity
    async def later(x):
        await asyncio.sleep(0.05)
        return x

    @activity
    def nothing():
        pass

    with running(worker_class(conninfo, queue, [double, takes_an_object, later, nothing])):
        assert client.result(start("double", {"x": 21}), 10) == {"x": 42, "unit": "m"}
        assert client.result(start("whole", {"a": 1}), 10) == [{"a": 1}, 1]
        assert client.result(start("later", {"x": "ä\u2028"}), 10) == "ä\u2028"
        assert client.result(start("nothing"), 10) is None


def test_info(worker_class, conninfo, queue, client, start):
    seen = []

    @activity
    def look():
        seen.append(activity.info())
        return activity.is_cancelled()

    with running(worker_class(conninfo, queue, [look])):
        id = start("look", heartbeat="3s")
        assert client.result(id, 10) is False
    (info,) = seen
    assert (info.activity, info.workflow_id, info.attempt) == ("look", id, 1)
    assert (info.task_queue, info.heartbeat_timeout) == (queue, timedelta(seconds=3))
    assert info.deadline - info.scheduled_at >= timedelta(seconds=30)
    assert info.idempotency_key and info.activity_id and info.heartbeat_details is None


def test_session_settings_do_not_matter(worker_class, conninfo, queue, client, start):
    @activity
    def look():
        info = activity.info()
        return [info.scheduled_at.isoformat(), info.heartbeat_timeout.total_seconds()]

    options = "-cDateStyle=German -cIntervalStyle=iso_8601 -cTimeZone=Asia/Tokyo"
    with running(worker_class(f"{conninfo} options='{options}'", queue, [look])):
        id = start("look", start_to_close="5min", heartbeat="90s")
        scheduled_at, timeout = client.result(id, 10)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(scheduled_at)
    assert timedelta() <= age < timedelta(seconds=10) and timeout == 90


def test_retries(worker_class, conninfo, queue, client, start):
    keys = []

    @activity
    def flaky():
        keys.append(activity.info().idempotency_key)
        if len(keys) < 3:
            raise ValueError("not yet")
        return activity.info().attempt

    with running(worker_class(conninfo, queue, [flaky])):
        id = start("flaky", retry={"initial_interval": "50ms", "max_attempts": 5})
        assert client.result(id, 10) == 3
    assert len(set(keys)) == 1


def test_exception_fails_the_workflow(worker_class, conninfo, queue, client, start):
    @activity
    async def divide(x):
        return 1 / x

    with running(worker_class(conninfo, queue, [divide])):
        with pytest.raises(WorkflowFailed) as caught:
            client.result(start("divide", {"x": 0}, retry={"max_attempts": 1}), 10)
    assert caught.value.status == "failed"
    failure = activity_failure(caught.value.failure)
    assert (failure["type"], failure["message"]) == ("ZeroDivisionError", "division by zero")
    assert "in divide" in failure["details"]["traceback"]
    assert caught.value.__cause__.sqlstate == "WF012"


def activity_failure(failure):
    """The failure an activity reported, inside of the one of its workflow."""
    while isinstance(failure.get("cause"), dict):
        failure = failure["cause"]
    return failure


TYPED_FAILURE = """
CREATE OR REPLACE FUNCTION catches(queue text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  failure text;
BEGIN
  RETURN wf_activity('fails', task_queue => queue, start_to_close => '30s');
EXCEPTION WHEN SQLSTATE 'WF001' THEN
  GET STACKED DIAGNOSTICS failure = PG_EXCEPTION_DETAIL;
  RETURN failure::jsonb || jsonb_build_object('message', SQLERRM);
END $$;
"""


def test_typed_failure_reaches_workflow_and_client(
    conninfo, queue, client, start, db, worker_class
):
    @activity
    def fails():
        raise ApplicationError(
            "no such account", type="AccountError", details={"account": 7}, non_retryable=True
        )

    db.execute(TYPED_FAILURE)
    with running(worker_class(conninfo, queue, [fails])):
        id = f"catches-{queue}"
        client.start("catches", {"queue": queue}, id=id)
        caught = client.result(id, 10)
        assert (caught["type"], caught["message"]) == ("AccountError", "no such account")
        assert caught["details"] == {"account": 7}
        with pytest.raises(WorkflowFailed, match="no such account") as failed:
            client.result(start("fails"), 10)
    failure = activity_failure(failed.value.failure)
    assert (failure["type"], failure["details"]) == ("AccountError", {"account": 7})


def test_non_retryable(worker_class, conninfo, queue, client, start):
    attempts = []

    class CardDeclined(ApplicationError):
        pass

    @activity
    def by_policy():
        attempts.append("policy")
        raise CardDeclined("no money")

    @activity
    def by_flag():
        attempts.append("flag")
        raise ApplicationError("never", non_retryable=True)

    with running(worker_class(conninfo, queue, [by_policy, by_flag])):
        retry = {"initial_interval": "10ms", "non_retryable": ["CardDeclined"]}
        with pytest.raises(WorkflowFailed, match="no money"):
            client.result(start("by_policy", retry=retry), 10)
        with pytest.raises(WorkflowFailed, match="never"):
            client.result(start("by_flag", retry=retry), 10)
    assert attempts == ["policy", "flag"]


def test_next_retry_delay(worker_class, conninfo, queue, client, start):
    times = []

    @activity
    def busy():
        times.append(time.monotonic())
        if len(times) == 1:
            raise ApplicationError("busy", next_retry_delay=timedelta(seconds=0.5))

    with running(worker_class(conninfo, queue, [busy])):
        client.result(start("busy", retry={"initial_interval": "1 hour"}), 10)
    assert 0.5 <= times[1] - times[0] < 3


def test_result_that_is_no_json(worker_class, conninfo, queue, client, start):
    calls = []

    @activity
    def wrong(kind):
        calls.append(kind)
        return {"nan": float("nan"), "nul": "a\0b", "object": object()}[kind]

    with running(worker_class(conninfo, queue, [wrong])):
        for kind in ("nan", "nul", "object"):
            with pytest.raises(WorkflowFailed, match="the result was refused"):
                client.result(start("wrong", {"kind": kind}), 10)
    assert calls == ["nan", "nul", "object"]  # retrying would only repeat the effects


def test_unknown_activity(worker_class, conninfo, queue, client, start):
    @activity
    def known():
        pass

    with running(worker_class(conninfo, queue, [known])):
        with pytest.raises(WorkflowFailed, match="has no activity 'unknown'"):
            client.result(start("unknown", retry={"max_attempts": 1}), 10)


def test_cancellation_reaches_a_function(worker_class, conninfo, queue, client, start):
    seen = []

    @activity
    def works():
        try:
            while True:
                seen.append("beat")
                activity.heartbeat()
                time.sleep(0.02)
        except ActivityCancelled:
            seen.append("cancelled")
            raise

    with running(worker_class(conninfo, queue, [works])):
        id = start("works", heartbeat="1s", cancellation="wait")
        eventually(lambda: seen)
        assert client.cancel(id)
        with pytest.raises(WorkflowFailed) as caught:
            client.result(id, 10)
    assert seen[-1] == "cancelled"
    assert caught.value.status == "cancelled"


def test_cancellation_reaches_a_coroutine(worker_class, conninfo, queue, client, start):
    seen = []

    @activity
    async def works():
        try:
            seen.append("started")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with running(worker_class(conninfo, queue, [works])):
        id = start("works", heartbeat="1s")  # it never heartbeats: the worker does
        eventually(lambda: seen)
        assert client.cancel(id)
        eventually(lambda: seen == ["started", "cancelled"])
        with pytest.raises(WorkflowFailed):
            client.result(id, 10)


def test_heartbeats_without_the_activity(worker_class, conninfo, queue, client, start):
    @activity
    def sleeps():
        time.sleep(2.5)
        return activity.info().attempt

    with running(worker_class(conninfo, queue, [sleeps])):
        assert client.result(start("sleeps", heartbeat="1s"), 15) == 1


def test_task_lost(worker_class, conninfo, queue, client, start):
    seen = []

    @activity
    def blocks():
        try:
            while True:
                activity.heartbeat()
                time.sleep(0.02)
        except TaskLost:
            seen.append("function")
            raise

    @activity
    async def awaits():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("coroutine")
            raise

    with running(worker_class(conninfo, queue, [blocks, awaits])):
        for name in ("blocks", "awaits"):
            id = start(name, start_to_close="1s", heartbeat="1s", retry={"max_attempts": 1})
            with pytest.raises(WorkflowFailed):
                client.result(id, 10)
        eventually(lambda: seen == ["function", "coroutine"])


def test_idle_worker_asks_nothing(worker_class, conninfo, queue, client, start, db):
    @activity
    def hello():
        return "hello"

    def asked():
        sql = "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = %s ORDER BY 1"
        return db.execute(sql, (f"durable {worker.identity}",)).fetchall()

    def transactions():
        db.execute("SELECT pg_stat_clear_snapshot()")
        sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        return db.execute(sql).fetchone()[0]

    worker = worker_class(conninfo, queue, [hello], identity=queue)
    with running(worker):
        assert client.result(start("hello"), 10) == "hello"
        time.sleep(1.5)  # statistics of what was before are in
        before, count = asked(), transactions()
        time.sleep(3)
        assert asked() == before and len(before) == 2
        assert transactions() - count < 10  # ours, and the server's own
        began = time.monotonic()
        assert client.result(start("hello"), 10) == "hello"
        assert time.monotonic() - began < 2  # woken, not found by the safety poll


def test_heartbeat_details_the_server_cannot_store(worker_class, conninfo, queue, client, start):
    @activity
    def beats():
        activity.heartbeat("a\0b")
        time.sleep(0.3)
        activity.heartbeat("fine")
        return activity.info().attempt

    with running(worker_class(conninfo, queue, [beats])):
        assert client.result(start("beats", heartbeat="1s"), 10) == 1
