"""A worker that runs activities in threads."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Callable

import psycopg

from .exchange import flush
from .link import execute, notified, run
from .pace import Backoff
from .task import perform
from .threads import Pool, Waker
from .worker_base import UNWIND, WorkerBase


class Worker(WorkerBase):
    """Runs activities in threads.

    The thread that calls run() polls; another one, the flusher, reports results and sends
    heartbeats, on a connection of its own, so that neither waits for the other.
    """

    _waker: Waker | None = None
    _poll_conn: psycopg.Connection[Any] | None = None

    def run(self) -> None:
        """Runs activities until stop() is called, or a signal comes."""
        self._waker = Waker()
        self._pool = Pool(self._slots)
        self._flush_wanted = threading.Event()
        self._closing = threading.Event()
        flusher = threading.Thread(target=self._flush_loop, name="durable-flusher", daemon=True)
        flusher.start()
        grace = 0.0
        try:
            with self._signals():
                self._poll_loop()
            grace = self._grace
        finally:
            self._drain(flusher, grace)
            self._waker.close()

    def stop(self) -> None:
        self._stopping = True
        if self._waker is not None:
            self._waker.wake()
        if not self._listens and self._poll_conn is not None:
            self._poll_conn.cancel()  # it waits in the server

    def _wake(self) -> None:
        self._flush_wanted.set()
        if self._waker is not None:
            self._waker.wake()

    # -- polling -------------------------------------------------------------------------------

    def _poll_loop(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            try:
                with psycopg.connect(self._conninfo, **self._connect_options()) as conn:
                    self._poll_conn = conn
                    self._poll_on(conn, backoff)
            except psycopg.Error as error:
                if not self._stopping:
                    self._log_trouble("polling", error)
                    self._sleep_until(time.monotonic() + backoff.pause(), self._is_stopping)

    def _poll_on(self, conn: psycopg.Connection[Any], backoff: Backoff) -> None:
        if self._listens:
            conn.add_notify_handler(lambda _: self._pace.notified())
            execute(conn, self._listen_call())
        self._connected(conn.info.user)
        self._pace.notified()  # whatever came while we were away
        while not self._stopping:
            asked = self._asked()
            if asked:
                for task in self._take(asked, execute(conn, self._poll_call(asked))):
                    self._pool.submit(partial(perform, task, self._ledger.finish))
                backoff.reset()
            elif notified(conn.pgconn):
                self._pace.notified()
            else:
                self._waiting().wait(self._idle_seconds(), conn.fileno())

    # -- flushing ------------------------------------------------------------------------------

    def _flush_loop(self) -> None:
        backoff = Backoff()
        while not self._flushed():
            try:
                with psycopg.connect(self._conninfo, **self._connect_options()) as conn:
                    while not self._flushed():
                        self._flush_wanted.wait(self._flush_seconds())
                        self._flush_wanted.clear()
                        run(conn, flush(self._ledger, time.monotonic()))
                        backoff.reset()
            except Exception as error:  # the flusher must not end: reports would pile up unsent
                self._log_trouble("reporting", error)
                if self._closing.wait(backoff.pause()):
                    time.sleep(Backoff.SHORTEST)

    # -- stopping ------------------------------------------------------------------------------

    def _drain(self, flusher: threading.Thread, grace: float) -> None:
        self._stopping = True
        if not self._sleep_until(time.monotonic() + grace, self._is_idle):
            self._ledger.interrupt_all("the worker is shutting down")
            self._sleep_until(time.monotonic() + UNWIND, self._is_idle)
        self._flush_until = time.monotonic() + UNWIND
        self._closing.set()
        self._flush_wanted.set()
        flusher.join()
        self._log_leftovers()

    def _sleep_until(self, end: float, done: Callable[[], bool]) -> bool:
        """Sleeps until the end, or until done() after somebody woke us; returns done()."""
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._waiting().wait(left)
        return True

    def _waiting(self) -> Waker:
        assert self._waker is not None
        return self._waker

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if not self._may_handle_signals():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def handle(*_: object) -> None:
            restore()  # a second one is not so patient
            self.stop()

        for number in before:
            signal.signal(number, handle)
        try:
            yield
        finally:
            restore()
