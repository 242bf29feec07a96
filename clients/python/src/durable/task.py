"""One attempt of an activity in this worker: its state while it runs, and how it ended."""

from __future__ import annotations

import asyncio
import os
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Callable, Optional, Union

from .activities import Definition, Info, current_task
from .call import Call, HeartbeatReply
from .codec import Codec, dumps, loads
from .errors import (
    ActivityCancelled,
    ApplicationError,
    CompleteAsync,
    DurableError,
    TaskLost,
)
from .task_calls import PolledTask, cancelled, complete, fail

_TEXT_LIMIT = 4096
_LONGEST_BEAT = 30.0


@dataclass(frozen=True)
class Completed:
    token: str
    result: str | None

    def call(self) -> Call[None]:
        return complete(self.token, self.result)

    def lesser(self, problem: str) -> Report | None:
        """What to report instead when the server refuses this report for what is in it."""
        return refused_result(self.token, problem)


@dataclass(frozen=True)
class Failed:
    token: str
    message: str
    type: str
    details: str | None = None
    non_retryable: bool = False
    next_retry_delay: timedelta | None = None

    def call(self) -> Call[None]:
        return fail(
            self.token,
            storable(self.message[:_TEXT_LIMIT]),
            storable(self.type),
            self.details,
            self.non_retryable,
            self.next_retry_delay,
        )

    def lesser(self, problem: str) -> Report | None:
        return None if self.details is None else replace(self, details=None)


@dataclass(frozen=True)
class Cancelled:
    token: str
    details: str | None = None

    def call(self) -> Call[None]:
        return cancelled(self.token, self.details)

    def lesser(self, problem: str) -> Report | None:
        return None if self.details is None else replace(self, details=None)


Report = Union[Completed, Failed, Cancelled]


def refused_result(token: str, problem: str) -> Failed:
    """The failure of an activity whose result is no JSON, too large, or holds what jsonb cannot.

    It has done its work, so another attempt would only repeat the effects.
    """
    message = f"the result was refused: {problem}"
    return Failed(token, message, "ResultRefused", non_retryable=True)


def storable(text: str) -> str:
    """The text without what PostgreSQL's text type cannot hold."""
    return text.replace("\0", "\\0").encode("utf-8", "replace").decode()


class Task:
    """The state of a running attempt.

    The activity runs in a thread or an event loop of its own choice while the worker sends its
    heartbeats, so what both touch is guarded by the lock.
    """

    def __init__(
        self, row: PolledTask, definition: Definition, task_queue: str, codec: Codec, now: float
    ) -> None:
        self.token = row.task_token
        self.is_async = definition.is_async
        self.paused = False
        self._row = row
        self._task_queue = task_queue
        self._definition = definition
        self._codec = codec
        self._lock = threading.Lock()
        self._on_interrupt: Callable[[], object] | None = None
        self.interruption: DurableError | None = None
        self._cancel_requested = False
        self.details: str | None = None
        self.has_news = False
        self.on_news: Callable[[], None] = lambda: None
        self._beats_alone = row.heartbeat_timeout is not None
        self._interval = _beat_interval(row.heartbeat_timeout)
        self._beaten_at = now if self._beats_alone else now - self._interval
        self.expires_at = None if row.seconds_left is None else now + row.seconds_left + 1

    # -- called by the activity ----------------------------------------------------------------

    def heartbeat(self, details: Any = None) -> None:
        text = dumps(self._codec, details)
        with self._lock:
            self.details = text if text is not None else self.details
            newly, self.has_news = not self.has_news, True
        if newly:
            self.on_news()
        if self.interruption is not None and self._on_interrupt is None:
            raise self.interruption

    def call(self) -> Any:
        """Calls the activity.  What the codec cannot decode fails the attempt, not the worker."""
        row = self._row
        self.info = Info(
            activity=row.activity,
            workflow_id=row.workflow_id,
            run_id=row.run_id,
            activity_id=row.activity_id,
            attempt=row.attempt,
            idempotency_key=row.idempotency_key,
            task_token=row.task_token,
            task_queue=self._task_queue,
            scheduled_at=row.scheduled_at,
            deadline=row.deadline,
            heartbeat_timeout=row.heartbeat_timeout,
            heartbeat_details=loads(self._codec, row.heartbeat_details),
        )
        return self._definition.call(loads(self._codec, row.input))

    def __str__(self) -> str:
        row = self._row
        return f"{row.activity} ({row.workflow_id}/{row.activity_id}, attempt {row.attempt})"

    def interrupt_with(self, hook: Callable[[], object]) -> None:
        """Has the hook called for an interruption, instead of heartbeat() raising it."""
        with self._lock:
            self._on_interrupt = hook
            interrupted = self.interruption is not None
        if interrupted:
            hook()

    # -- called by the worker ------------------------------------------------------------------

    def next_beat(self) -> float | None:
        """When to send a heartbeat next, None if there is nothing to tell."""
        if isinstance(self.interruption, TaskLost):
            return None
        return self._beaten_at + self._interval if self._beats_alone or self.has_news else None

    def beaten(self, details: str | None, now: float) -> None:
        """The server has these details; newer ones may have come since they were sent."""
        with self._lock:
            self._beaten_at = now
            self.has_news = self.details is not details

    def answered(self, reply: HeartbeatReply) -> None:
        self.paused = reply.paused
        if reply.cancel_requested and not self._cancel_requested:
            self._cancel_requested = True
            self.interrupt(ActivityCancelled())

    def lose(self, reason: str) -> None:
        self.interrupt(TaskLost(reason))

    def interrupt(self, error: DurableError) -> None:
        with self._lock:
            if isinstance(self.interruption, TaskLost):
                return  # nothing can be worse
            self.interruption = error
            hook = self._on_interrupt
        if hook is not None:
            hook()

    # -- how it ended --------------------------------------------------------------------------

    def succeeded(self, result: Any) -> Report:
        try:
            return Completed(self.token, dumps(self._codec, result))
        except (TypeError, ValueError) as error:
            return refused_result(self.token, str(error))

    def failed(self, error: BaseException) -> Report | None:
        """The report of a failure, None where nothing is to be reported."""
        if isinstance(error, CompleteAsync) or isinstance(self.interruption, TaskLost):
            return None
        if isinstance(error, ApplicationError):
            return self._failure(
                str(error), error.type, error.details, error.non_retryable, error.next_retry_delay
            )
        if self.interruption and isinstance(error, (ActivityCancelled, asyncio.CancelledError)):
            if self._cancel_requested:
                return Cancelled(self.token, self._dumps(getattr(error, "details", None)))
            # Not the activity's fault: another worker should take over at once.
            return self._failure(
                str(self.interruption), "WorkerShutdown", None, False, timedelta(0)
            )
        details = {"traceback": _traceback(error)}
        return self._failure(str(error), type(error).__name__, details)

    def _failure(
        self,
        message: str,
        type: str,
        details: Any,
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
    ) -> Failed:
        return Failed(
            self.token, message, type, self._dumps(details), non_retryable, next_retry_delay
        )

    def _dumps(self, details: Any) -> str | None:
        """Details that are no JSON must not hide the failure they belong to."""
        for attempt in (details, repr(details)[:_TEXT_LIMIT]):
            with suppress(Exception):
                return dumps(self._codec, attempt)
        return None


def _beat_interval(timeout: timedelta | None) -> float:
    """Half of the timeout: one beat may get lost with a connection before the server gives up."""
    return _LONGEST_BEAT if timeout is None else min(timeout.total_seconds() / 2, _LONGEST_BEAT)


def _traceback(error: BaseException) -> str:
    """Where it happened in the activity.  The end says most, so that is what is kept."""
    here, stack = os.path.dirname(__file__), error.__traceback__
    while stack is not None and stack.tb_frame.f_code.co_filename.startswith(here):
        stack = stack.tb_next
    lines = traceback.format_exception(type(error), error, stack)
    return storable("".join(lines)).encode()[-_TEXT_LIMIT:].decode("utf-8", "ignore")


Finish = Callable[[Task, Optional[Report]], None]


def perform(task: Task, finish: Finish) -> None:
    """Runs an activity in this thread; a coroutine gets an event loop of its own."""
    if task.is_async:
        asyncio.run(perform_async(task, finish))
        return
    current_task.set(task)
    report: Report | None
    try:
        report = task.succeeded(task.call())
    except BaseException as error:  # even SystemExit: it must end the attempt, not the worker
        report = task.failed(error)
    finish(task, report)


async def perform_async(task: Task, finish: Finish) -> None:
    """Runs an activity that is a coroutine in the running event loop."""
    current_task.set(task)
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None

    def interrupt() -> None:
        with suppress(RuntimeError):  # the loop was closed: the activity has ended meanwhile
            loop.call_soon_threadsafe(this.cancel)

    task.interrupt_with(interrupt)
    report: Report | None
    try:
        report = task.succeeded(await task.call())
    except BaseException as error:
        report = task.failed(error)
    finish(task, report)
