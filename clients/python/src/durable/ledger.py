"""What a worker has in hand: the running attempts, and the reports not yet accepted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Callable

import psycopg

from .call import HeartbeatReply
from .errors import ActivityCancelled, TaskLost
from .task import Completed, Failed, Report, Task

logger = logging.getLogger("durable")


class Ledger:
    """Activities add to it from their threads, the flusher takes from it.

    A report leaves only when the server has accepted or refused it, so whatever happens to the
    connection in between, it is sent again.
    """

    def __init__(self, slots: int, wake: Callable[[], None]) -> None:
        self._slots = slots
        self._wake = wake
        self._lock = threading.Lock()
        self._running: dict[str, Task] = {}
        self._reports: dict[str, Report] = {}
        self._last_beats: dict[str, str | None] = {}

    @property
    def free(self) -> int:
        return self._slots - len(self._running)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def unreported(self) -> int:
        return len(self._reports) + len(self._last_beats)

    def add(self, task: Task) -> None:
        task.on_news = self._wake
        with self._lock:
            self._running[task.token] = task
        self._wake()  # its first heartbeat may be due before any other

    def finish(self, task: Task, report: Report | None) -> None:
        if isinstance(report, Failed):
            logger.warning("%s failed: %s: %s", task, report.type, report.message)
        with self._lock:
            self._running.pop(task.token, None)
            if report is not None:
                self._reports[task.token] = report
            unsent = task.has_news and task.details is not None
            if unsent and not isinstance(report, Completed):
                # The next attempt should find what this one recorded last.
                self._last_beats[task.token] = task.details
        self._wake()

    # -- heartbeats ----------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When there is something to send next: a heartbeat, or an attempt to give up."""
        with self._lock:
            times = [task.next_beat() for task in self._running.values()]
            times += [task.expires_at for task in self._running.values()]
        return min((time for time in times if time is not None), default=None)

    def due_beats(self, now: float) -> dict[str, str | None]:
        """The details to send by token.  They stay due until `beaten` or `beat_refused`."""
        beats = {}
        with self._lock:
            for token, task in self._running.items():
                due = task.next_beat()
                if due is not None and due <= now:
                    beats[token] = task.details
            beats.update(self._last_beats)
        return beats

    def beaten(
        self, beats: Mapping[str, str | None], replies: Mapping[str, HeartbeatReply], now: float
    ) -> None:
        for token, details in beats.items():
            task = self._forget_beat(token)
            if task is not None:
                task.beaten(details, now)
                task.answered(replies[token])

    def beat_refused(self, token: str, now: float, error: psycopg.Error) -> None:
        """The attempt is no longer ours; or the server cannot store its details."""
        task = self._forget_beat(token)
        if task is None:
            return
        if error.sqlstate == TaskLost.sqlstate or task.details is None:
            logger.info("%s is no longer ours: %s", task, error)
            task.lose("the attempt timed out or was superseded")
        else:
            logger.error("heartbeat details of %s were refused: %s", task, error)
            task.details = None
            task.beaten(None, now)

    def _forget_beat(self, token: str) -> Task | None:
        with self._lock:
            self._last_beats.pop(token, None)
            return self._running.get(token)

    # -- interruptions -------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Gives up attempts whose time is over, so that a hanging coroutine frees its slot."""
        for task in self._tasks():
            if task.expires_at is not None and task.expires_at <= now:
                task.expires_at = None
                task.lose("the attempt has passed its deadline")

    def interrupt_all(self, reason: str) -> None:
        for task in self._tasks():
            task.interrupt(ActivityCancelled(reason))

    def _tasks(self) -> list[Task]:
        with self._lock:
            return list(self._running.values())

    # -- reports -------------------------------------------------------------------------------

    def completions(self) -> dict[str, str | None]:
        """The results to report, by token."""
        return {r.token: r.result for r in self._waiting() if isinstance(r, Completed)}

    def other_reports(self) -> list[Report]:
        return [report for report in self._waiting() if not isinstance(report, Completed)]

    def accepted(self, tokens: Iterable[str]) -> None:
        with self._lock:
            for token in tokens:
                del self._reports[token]

    def report_refused(self, token: str, error: psycopg.Error) -> None:
        """Drops a report nobody wants; reports less where the server cannot have all of it."""
        with self._lock:
            report = self._reports.pop(token)
            if error.sqlstate == TaskLost.sqlstate:
                # Or the connection died after the server had accepted it: then all is well.
                logger.info("report on %s came too late: %s", token, error)
                return
            logger.error("report on %s was refused: %s", token, error)
            lesser = report.lesser(error.diag.message_primary or str(error))
            if lesser is not None:
                self._reports[token] = lesser

    def postpone(self, token: str) -> None:
        """Puts a report behind all others, which it must not hold up."""
        with self._lock:
            self._reports[token] = self._reports.pop(token)

    def _waiting(self) -> list[Report]:
        with self._lock:
            return list(self._reports.values())
