"""A worker that runs activities in an event loop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Callable

import psycopg

from .exchange import flush
from .link import execute_async, notified, run_async
from .pace import Backoff
from .task import Task, perform, perform_async
from .threads import Pool
from .worker_base import UNWIND, WorkerBase


class AsyncWorker(WorkerBase):
    """Runs activities as tasks of the event loop; those that are no coroutines, in threads."""

    _loop: asyncio.AbstractEventLoop | None = None
    _poll_conn: psycopg.AsyncConnection[Any] | None = None

    async def run(self) -> None:
        """Runs activities until stop() is called, a signal comes, or it is cancelled itself."""
        self._loop = asyncio.get_running_loop()
        self._pool = Pool(self._slots)
        self._poll_wanted = asyncio.Event()
        self._flush_wanted = asyncio.Event()
        self._closing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        flusher = asyncio.create_task(self._flush_loop())
        grace = 0.0
        try:
            with self._signals(self._loop):
                await self._poll_loop()
            grace = self._grace
        finally:
            await self._drain(flusher, grace)

    def stop(self) -> None:
        self._stopping = True
        self._wake()
        if not self._listens and self._poll_conn is not None:
            self._poll_conn.cancel()  # it waits in the server

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # closed: a thread that nobody waited for has ended
                self._loop.call_soon_threadsafe(self._wake_here)

    def _wake_here(self) -> None:
        self._poll_wanted.set()
        self._flush_wanted.set()

    # -- polling -------------------------------------------------------------------------------

    async def _poll_loop(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            try:
                async with await self._connect() as conn:
                    self._poll_conn = conn
                    await self._poll_on(conn, backoff)
            except psycopg.Error as error:
                if not self._stopping:
                    self._log_trouble("polling", error)
                    await self._sleep_until(time.monotonic() + backoff.pause(), self._is_stopping)

    async def _poll_on(self, conn: psycopg.AsyncConnection[Any], backoff: Backoff) -> None:
        if self._listens:
            conn.add_notify_handler(lambda _: self._pace.notified())
            await execute_async(conn, self._listen_call())
        self._connected(conn.info.user)
        self._pace.notified()  # whatever came while we were away
        while not self._stopping:
            asked = self._asked()
            if asked:
                for task in self._take(asked, await execute_async(conn, self._poll_call(asked))):
                    self._begin(task)
                backoff.reset()
            elif notified(conn.pgconn):
                self._pace.notified()
            else:
                await self._wait_for(conn)

    def _begin(self, task: Task) -> None:
        if task.is_async:
            running = asyncio.create_task(perform_async(task, self._ledger.finish))
            self._tasks.add(running)  # the loop itself holds but a weak reference
            running.add_done_callback(self._tasks.discard)
        else:
            self._pool.submit(partial(perform, task, self._ledger.finish))

    async def _wait_for(self, conn: psycopg.AsyncConnection[Any]) -> None:
        loop, fd = asyncio.get_running_loop(), conn.fileno()
        loop.add_reader(fd, self._poll_wanted.set)
        try:
            await _wait(self._poll_wanted, self._idle_seconds())
        finally:
            self._poll_wanted.clear()
            loop.remove_reader(fd)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self._conninfo, **self._connect_options())

    # -- flushing ------------------------------------------------------------------------------

    async def _flush_loop(self) -> None:
        backoff = Backoff()
        while not self._flushed():
            try:
                async with await self._connect() as conn:
                    while not self._flushed():
                        await _wait(self._flush_wanted, self._flush_seconds())
                        self._flush_wanted.clear()
                        await run_async(conn, flush(self._ledger, time.monotonic()))
                        backoff.reset()
            except Exception as error:  # the flusher must not end: reports would pile up unsent
                self._log_trouble("reporting", error)
                if await _wait(self._closing, backoff.pause()):
                    await asyncio.sleep(Backoff.SHORTEST)

    # -- stopping ------------------------------------------------------------------------------

    async def _drain(self, flusher: asyncio.Task[None], grace: float) -> None:
        self._stopping = True
        if not await self._sleep_until(time.monotonic() + grace, self._is_idle):
            self._ledger.interrupt_all("the worker is shutting down")
            await self._sleep_until(time.monotonic() + UNWIND, self._is_idle)
        self._flush_until = time.monotonic() + UNWIND
        self._closing.set()
        self._flush_wanted.set()
        await flusher
        self._log_leftovers()

    async def _sleep_until(self, end: float, done: Callable[[], bool]) -> bool:
        """Sleeps until the end, or until done() after somebody woke us; returns done()."""
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            await _wait(self._poll_wanted, left)
            self._poll_wanted.clear()
        return True

    @contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        numbers = (signal.SIGTERM, signal.SIGINT)
        if not self._may_handle_signals():
            yield
            return

        def restore() -> None:
            for number in numbers:
                loop.remove_signal_handler(number)

        def handle() -> None:
            restore()  # a second one is not so patient
            self.stop()

        for number in numbers:
            loop.add_signal_handler(number, handle)
        try:
            yield
        finally:
            restore()


async def _wait(event: asyncio.Event, timeout: float | None) -> bool:
    """Whether the event was set before the timeout.

    Not by wait_for(), which before Python 3.12 swallows a cancellation that comes with the event.
    """
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=timeout)
    finally:
        waiting.cancel()
    return event.is_set()
