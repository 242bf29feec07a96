"""What workers call.  JSON is text already: the codec has done its part, or will do it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from .call import Call, HeartbeatReply, Interval, Rows, call, nothing, select


class PolledTask(NamedTuple):
    """A row of wf_poll_activities; JSON is text still, `seconds_left` is counted by the server."""

    task_token: str
    activity: str
    input: str | None
    workflow_id: str
    run_id: str
    activity_id: str
    attempt: int
    heartbeat_details: str | None
    scheduled_at: datetime
    deadline: datetime | None
    idempotency_key: str
    heartbeat_timeout: timedelta | None
    seconds_left: float | None


def listen(task_queue: str, namespace: str | None) -> Call[None]:
    return select("wf_listen", nothing, task_queue=task_queue, namespace=namespace)


# Times as seconds: what a session's DateStyle and IntervalStyle make of them does not matter then.
_COLUMNS = """task_token, activity, input, workflow_id, run_id::text, activity_id, attempt,
    heartbeat_details, extract(epoch FROM scheduled_at)::float8,
    extract(epoch FROM deadline)::float8, idempotency_key,
    extract(epoch FROM heartbeat_timeout)::float8,
    extract(epoch FROM deadline - clock_timestamp())::float8"""


def poll(
    task_queue: str, slots: int, worker: str, wait: Interval | None, namespace: str | None
) -> Call[list[PolledTask]]:
    arguments = {
        "task_queue": task_queue,
        "max": slots,
        "worker": worker,
        "wait": wait,
        "namespace": namespace,
    }
    return call(f"SELECT {_COLUMNS} FROM", "wf_poll_activities", _polled, arguments)


def _polled(rows: Rows) -> list[PolledTask]:
    tasks = []
    for *first, scheduled, deadline, key, timeout, seconds_left in rows:
        rest = (
            _time(scheduled),
            None if deadline is None else _time(deadline),
            key,
            None if timeout is None else timedelta(seconds=timeout),
            seconds_left,
        )
        tasks.append(PolledTask._make((*first, *rest)))
    return tasks


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, timezone.utc)


def complete(task_token: str, result: str | None) -> Call[None]:
    return select("wf_complete_activity", nothing, task_token=task_token, result=result)


def complete_all(results: Mapping[str, str | None]) -> Call[None]:
    """Completes the activities of these tokens, all of them or none."""
    if len(results) == 1:
        return complete(*next(iter(results.items())))
    return Call(
        "SELECT wf_complete_activities(%s::text[], %s::text[]::jsonb[])",
        [list(results), list(results.values())],
        nothing,
    )


def fail(
    task_token: str,
    message: str,
    type: str | None,
    details: str | None,
    non_retryable: bool,
    next_retry_delay: Interval | None,
) -> Call[None]:
    return select(
        "wf_fail_activity",
        nothing,
        task_token=task_token,
        type=type,
        message=message,
        details=details,
        non_retryable=non_retryable,
        next_retry_delay=next_retry_delay,
    )


def cancelled(task_token: str, details: str | None) -> Call[None]:
    return select("wf_cancelled_activity", nothing, task_token=task_token, details=details)


def heartbeat_all(details: Mapping[str, str | None]) -> Call[dict[str, HeartbeatReply]]:
    sql = (
        "SELECT beat.token, reply.cancel_requested, reply.paused"
        " FROM unnest(%s::text[], %s::text[]::jsonb[]) AS beat(token, details),"
        " LATERAL wf_heartbeat_activity(beat.token, beat.details) AS reply"
    )
    read = lambda rows: {row[0]: HeartbeatReply(row[1], row[2]) for row in rows}  # noqa: E731
    return Call(sql, [list(details), list(details.values())], read)
