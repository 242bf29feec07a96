"""Threads for activities, and how they wake the thread that polls."""

from __future__ import annotations

import queue
import selectors
import socket
import threading
from contextlib import suppress
from typing import Callable


class Pool:
    """Threads started on demand, up to a number.

    They are daemons, unlike those of concurrent.futures: an activity that never returns must not
    keep the process alive after the worker has stopped.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, job: Callable[[], None]) -> None:
        if not self._idle.acquire(blocking=False) and self._started < self._size:
            self._started += 1
            name = f"durable-activity-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            self._idle.release()


class Waker:
    """Wakes a thread that waits for sockets.  Unlike an Event, it may be used in a signal handler:
    there is no lock in it that the interrupted code could hold."""

    def __init__(self) -> None:
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)

    def wake(self) -> None:
        with suppress(BlockingIOError, OSError):  # full: it will wake anyway; closed: nobody waits
            self._in.send(b"!")

    def wait(self, timeout: float, *sockets: int) -> None:
        """Until woken, until one of the sockets has something to read, or for so many seconds."""
        with selectors.DefaultSelector() as selector:
            for fd in (self._out.fileno(), *sockets):
                selector.register(fd, selectors.EVENT_READ)
            selector.select(timeout)
        with suppress(BlockingIOError):
            self._out.recv(4096)

    def close(self) -> None:
        self._in.close()
        self._out.close()
