"""What applications call, and what completes activities from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from .call import (
    PARAMETER_TYPES,
    Call,
    HeartbeatReply,
    Interval,
    annotated,
    call,
    decoded,
    heartbeat_reply,
    nothing,
    scalar,
    select,
    text,
)
from .codec import PLAIN, Codec, dumps
from .task_calls import cancelled, complete, fail

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RunOptions(TypedDict, total=False):
    """What wf_start takes beside the workflow, its input and its id."""

    on_running: str
    on_closed: str
    execution_timeout: Interval
    run_timeout: Interval
    start_delay: Interval
    retry: Mapping[str, Any]
    memo: Mapping[str, Any]
    search_attributes: Mapping[str, Any]
    priority: int
    fairness_key: str
    fairness_weight: float
    request_id: str
    namespace: str


class StartOptions(RunOptions, total=False):
    id: str


def _options(options: RunOptions) -> dict[str, Any]:
    """The options as parameters.  The server reads all of them, so none passes the codec."""
    return {
        name: dumps(PLAIN, value) if PARAMETER_TYPES.get(name) == "jsonb" else value
        for name, value in options.items()
    }


def start(
    codec: Codec, /, workflow: str, input: Any = None, **options: Unpack[StartOptions]
) -> Call[str]:
    """Starts a workflow with the connection's transaction; returns its run id."""
    return select(
        "wf_start", text, workflow=workflow, input=dumps(codec, input), **_options(options)
    )


def execute(
    codec: Codec, /, workflow: str, input: Any = None, **options: Unpack[StartOptions]
) -> Call[Any]:
    """Starts a workflow, runs its first turns in this session and returns its result.

    It commits on the way, so it needs a connection outside of a transaction.
    """
    arguments = {"workflow": workflow, "input": dumps(codec, input), **_options(options)}
    return call("CALL", "wf_execute", decoded(codec), arguments)


def signal(
    codec: Codec,
    /,
    id: str,
    signal: str,
    payload: Any = None,
    *,
    run_id: str | None = None,
    request_id: str | None = None,
    namespace: str | None = None,
) -> Call[None]:
    """Sends a signal to a workflow with the connection's transaction."""
    return select(
        "wf_signal",
        nothing,
        id=id,
        signal=signal,
        payload=dumps(codec, payload),
        run_id=run_id,
        request_id=request_id,
        namespace=namespace,
    )


def signal_with_start(
    codec: Codec,
    /,
    workflow: str,
    id: str,
    signal: str,
    payload: Any = None,
    input: Any = None,
    **options: Unpack[RunOptions],
) -> Call[str]:
    """Signals a workflow, starting it where it does not run; returns its run id."""
    return select(
        "wf_signal_with_start",
        text,
        workflow=workflow,
        id=id,
        signal=signal,
        payload=dumps(codec, payload),
        input=dumps(codec, input),
        **_options(options),
    )


def result(
    codec: Codec,
    /,
    id: str,
    timeout: Interval | None = None,
    *,
    run_id: str | None = None,
    namespace: str | None = None,
) -> Call[Any]:
    """Waits for a workflow to close and returns its result.

    Raises WorkflowFailed when it did not complete, StillRunning when the timeout is over.
    """
    return select(
        "wf_result", decoded(codec), id=id, timeout=timeout, run_id=run_id, namespace=namespace
    )


def query(
    codec: Codec,
    /,
    id: str,
    query: str,
    args: Any = None,
    *,
    run_id: str | None = None,
    namespace: str | None = None,
) -> Call[Any]:
    """What a workflow has published with wf_set; built in: __stack, __info."""
    return select(
        "wf_query",
        annotated(codec),
        id=id,
        query=query,
        args=dumps(PLAIN, args),
        run_id=run_id,
        namespace=namespace,
    )


def describe(
    codec: Codec, /, id: str, *, run_id: str | None = None, namespace: str | None = None
) -> Call[Any]:
    """All there is to know of a workflow now."""
    return select("wf_describe", annotated(codec), id=id, run_id=run_id, namespace=namespace)


def cancel(
    codec: Codec,
    /,
    id: str,
    reason: str | None = None,
    *,
    run_id: str | None = None,
    namespace: str | None = None,
) -> Call[bool]:
    """Asks a workflow to cancel itself; False where it is closed."""
    return select("wf_cancel", scalar, id=id, reason=reason, run_id=run_id, namespace=namespace)


def terminate(
    codec: Codec,
    /,
    id: str,
    reason: str | None = None,
    *,
    run_id: str | None = None,
    namespace: str | None = None,
) -> Call[bool]:
    """Closes a workflow without running its code; False where it is closed."""
    return select("wf_terminate", scalar, id=id, reason=reason, run_id=run_id, namespace=namespace)


def update(
    codec: Codec,
    /,
    id: str,
    update: str,
    args: Any = None,
    *,
    update_id: str | None = None,
    wait_for: str | None = None,
    timeout: Interval | None = None,
    run_id: str | None = None,
    namespace: str | None = None,
) -> Call[Any]:
    """Sends a request to a workflow, waits for its answer and returns it.

    Raises UpdateRejected, or StillRunning when the timeout is over: the same update_id waits on.
    With wait_for="admitted" the request commits with the connection's transaction instead.
    """
    return select(
        "wf_update",
        decoded(codec),
        id=id,
        update=update,
        args=dumps(codec, args),
        update_id=update_id,
        wait_for=wait_for,
        timeout=timeout,
        run_id=run_id,
        namespace=namespace,
    )


def update_with_start(
    codec: Codec,
    /,
    workflow: str,
    id: str,
    update: str,
    args: Any = None,
    input: Any = None,
    *,
    update_id: str | None = None,
    **options: Unpack[RunOptions],
) -> Call[str]:
    """Sends a request to a workflow with the connection's transaction, starting it where it does
    not run; returns the update_id, with which update() waits for the answer."""
    return select(
        "wf_update_with_start",
        text,
        workflow=workflow,
        id=id,
        update=update,
        args=dumps(codec, args),
        input=dumps(codec, input),
        update_id=update_id,
        **_options(options),
    )


def pause(
    codec: Codec,
    /,
    id: str,
    reason: str | None = None,
    *,
    run_id: str | None = None,
    namespace: str | None = None,
) -> Call[bool]:
    """Runs no code of a workflow until unpause(); False where it is closed or paused."""
    return select("wf_pause", scalar, id=id, reason=reason, run_id=run_id, namespace=namespace)


def unpause(
    codec: Codec, /, id: str, *, run_id: str | None = None, namespace: str | None = None
) -> Call[bool]:
    """Has a paused workflow go on; False where it is not paused."""
    return select("wf_unpause", scalar, id=id, run_id=run_id, namespace=namespace)


# -- what completes activities from elsewhere -------------------------------------------------


class ById(TypedDict, total=False):
    """Further names of a workflow whose activity is meant."""

    run_id: str
    namespace: str


def complete_activity(codec: Codec, /, task_token: str, result: Any = None) -> Call[None]:
    """Completes an activity with its result, with the connection's transaction."""
    return complete(task_token, dumps(codec, result))


def complete_activity_by_id(
    codec: Codec, /, id: str, activity_id: str, result: Any = None, **names: Unpack[ById]
) -> Call[None]:
    """Completes a running activity of a workflow, whoever runs it."""
    return select(
        "wf_complete_activity_by_id",
        nothing,
        id=id,
        activity_id=activity_id,
        result=dumps(codec, result),
        **names,
    )


def fail_activity(
    codec: Codec,
    /,
    task_token: str,
    message: str,
    *,
    type: str | None = None,
    details: Any = None,
    non_retryable: bool = False,
    next_retry_delay: Interval | None = None,
) -> Call[None]:
    """Fails the attempt of an activity; its retry policy decides what is next."""
    return fail(task_token, message, type, dumps(codec, details), non_retryable, next_retry_delay)


def fail_activity_by_id(
    codec: Codec,
    /,
    id: str,
    activity_id: str,
    message: str,
    *,
    type: str | None = None,
    details: Any = None,
    non_retryable: bool = False,
    next_retry_delay: Interval | None = None,
    **names: Unpack[ById],
) -> Call[None]:
    """Fails the attempt of a running activity of a workflow."""
    return select(
        "wf_fail_activity_by_id",
        nothing,
        id=id,
        activity_id=activity_id,
        type=type,
        message=message,
        details=dumps(codec, details),
        non_retryable=non_retryable,
        next_retry_delay=next_retry_delay,
        **names,
    )


def cancelled_activity(codec: Codec, /, task_token: str, details: Any = None) -> Call[None]:
    """Reports that an activity has cancelled itself, as it was asked to."""
    return cancelled(task_token, dumps(codec, details))


def cancelled_activity_by_id(
    codec: Codec, /, id: str, activity_id: str, details: Any = None, **names: Unpack[ById]
) -> Call[None]:
    """Reports that a running activity of a workflow has cancelled itself."""
    return select(
        "wf_cancelled_activity_by_id",
        nothing,
        id=id,
        activity_id=activity_id,
        details=dumps(codec, details),
        **names,
    )


def heartbeat_activity(
    codec: Codec, /, task_token: str, details: Any = None
) -> Call[HeartbeatReply]:
    """Tells that an activity lives.  The details become visible with the connection's transaction:
    a checkpoint that commits together with the work it describes."""
    return select(
        "wf_heartbeat_activity",
        heartbeat_reply,
        task_token=task_token,
        details=dumps(codec, details),
    )


def heartbeat_activity_by_id(
    codec: Codec, /, id: str, activity_id: str, details: Any = None, **names: Unpack[ById]
) -> Call[HeartbeatReply]:
    """Tells that a running activity of a workflow lives."""
    return select(
        "wf_heartbeat_activity_by_id",
        heartbeat_reply,
        id=id,
        activity_id=activity_id,
        details=dumps(codec, details),
        **names,
    )
