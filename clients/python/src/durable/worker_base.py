"""What Worker and AsyncWorker have in common."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Callable

import psycopg

from .activities import Definition, by_name, unregistered
from .call import Call, Interval
from .codec import PLAIN, Codec
from .ledger import Ledger
from .link import worker_conninfo
from .pace import Pace
from .task import Task
from .task_calls import PolledTask, listen, poll

logger = logging.getLogger("durable")

_LONG_POLL = 5.0
UNWIND = 5.0
"""Seconds for cancelled activities to end, and for the last reports to be sent."""


class WorkerBase:
    def __init__(
        self,
        conninfo: str,
        task_queue: str,
        activities: Iterable[Callable[..., Any]],
        *,
        slots: int = 10,
        identity: str | None = None,
        namespace: str | None = None,
        codec: Codec = PLAIN,
        listen: bool = True,
        grace: Interval = 30.0,
        safety_poll: Interval = 60.0,
        handle_signals: bool = True,
    ) -> None:
        """Runs activities of a task queue.

        slots: how many activities run at the same time.
        identity: the worker's name in wf_workers; process id and host by default.
        listen: False behind a pooler in transaction mode, where no LISTEN lasts: then the worker
            waits in the server, a few seconds at a time, and prepares no statements.
        grace: seconds that running activities have to end after stop() before they are cancelled.
        safety_poll: seconds after which an idle worker looks anyway.
        handle_signals: whether SIGTERM and SIGINT stop the worker (a second one does what it did
            before); only in the main thread.
        """
        if slots < 1:
            raise ValueError("a worker needs at least one slot")
        self.identity = identity or f"{os.getpid()}@{socket.gethostname()}"
        self._conninfo = worker_conninfo(conninfo, self.identity)
        self._task_queue = task_queue
        self._definitions = by_name(activities)
        self._slots = slots
        self._namespace = namespace
        self._codec = codec
        self._listens = listen
        self._grace = _seconds(grace)
        self._handle_signals = handle_signals
        self._ledger = Ledger(slots, self._wake)
        self._pace = Pace(_seconds(safety_poll))
        self._stopping = False
        self._flush_until: float | None = None
        self._role = ""
        self._told: set[str] = set()

    def stop(self) -> None:
        """Lets run() return once the running activities have ended; from any thread or signal."""
        raise NotImplementedError

    def _wake(self) -> None:
        raise NotImplementedError

    def _connect_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"autocommit": True}
        if not self._listens:
            options["prepare_threshold"] = None
        return options

    def _listen_call(self) -> Call[None]:
        return listen(self._task_queue, self._namespace)

    def _poll_call(self, slots: int) -> Call[list[PolledTask]]:
        wait = None if self._listens else _LONG_POLL
        return poll(self._task_queue, slots, self.identity, wait, self._namespace)

    def _asked(self) -> int:
        """How many tasks to poll for now, 0 for none."""
        now = time.monotonic()
        if not self._listens:
            self._pace.notified()  # the server waits, not we
        asked = self._pace.ask(self._ledger.free, now)
        if asked:
            self._pace.asking(now)
        return asked

    def _take(self, asked: int, rows: list[PolledTask]) -> list[Task]:
        """Makes the rows of a poll running tasks."""
        now = time.monotonic()
        self._pace.answered(asked, len(rows))
        if not rows:
            self._tell_once(
                "empty",
                "worker %s: no tasks in %s that role %s may see; it sees those of workflows that it"
                " has started, or a role that it is a member of",
                self.identity,
                self._task_queue,
                self._role,
            )
        tasks = []
        for row in rows:
            definition = self._definitions.get(row.activity) or self._unknown(row.activity)
            task = Task(row, definition, self._task_queue, self._codec, now)
            self._ledger.add(task)
            tasks.append(task)
        return tasks

    def _unknown(self, name: str) -> Definition:
        self._tell_once(
            "unknown " + name,
            "worker %s has no activity %r, which was asked for in task queue %s",
            self.identity,
            name,
            self._task_queue,
            level=logging.ERROR,
        )
        return unregistered(name)

    def _connected(self, role: str) -> None:
        """Tells what is polled for, and as whom."""
        self._role = role
        logger.info(
            "worker %s polls task queue %s as role %s, %d at a time, for %s",
            self.identity,
            self._task_queue,
            role,
            self._slots,
            ", ".join(sorted(self._definitions)),
        )

    def _tell_once(self, what: str, message: str, *values: object, level: int = logging.INFO) -> None:
        if what not in self._told:
            self._told.add(what)
            logger.log(level, message, *values)

    def _idle_seconds(self) -> float:
        return self._pace.timeout(self._ledger.free, time.monotonic())

    def _flush_seconds(self) -> float | None:
        """How long there is nothing to send; None is until somebody wakes us."""
        if self._ledger.unreported:
            return 0.0
        due = self._ledger.next_due()
        return None if due is None else max(due - time.monotonic(), 0.0)

    def _is_stopping(self) -> bool:
        return self._stopping

    def _is_idle(self) -> bool:
        return self._ledger.running == 0

    def _may_handle_signals(self) -> bool:
        return self._handle_signals and threading.current_thread() is threading.main_thread()

    def _flushed(self) -> bool:
        """Whether the flusher may leave: nothing more will come, and all is sent or cannot be."""
        if self._flush_until is None:
            return False
        return not self._ledger.unreported or time.monotonic() > self._flush_until

    def _log_trouble(self, doing: str, error: Exception) -> None:
        bug = None if isinstance(error, psycopg.Error) else error
        first_line = str(error).partition("\n")[0]
        logger.warning("worker %s, %s: %s", self.identity, doing, first_line, exc_info=bug)

    def _log_leftovers(self) -> None:
        if self._ledger.running:
            logger.warning("%d activities did not end, they will time out", self._ledger.running)
        if self._ledger.unreported:
            logger.error("%d reports could not be sent", self._ledger.unreported)


def _seconds(interval: Interval) -> float:
    return interval.total_seconds() if isinstance(interval, timedelta) else float(interval)
