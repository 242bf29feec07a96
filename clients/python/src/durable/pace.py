"""When to poll, and when to try again."""

from __future__ import annotations

import random


class Pace:
    """Decides when a worker polls.

    A poll that brings as many tasks as were asked for leaves the queue perhaps not empty.  One that
    comes back short has emptied it, and the server notifies of the next task; polling before that
    would only cost.  The rare poll without a reason is there for a notification that got lost.
    """

    def __init__(self, safety_poll: float) -> None:
        self._safety_poll = safety_poll
        self._more = True
        self._safety_at = 0.0

    def notified(self) -> None:
        self._more = True

    def ask(self, free: int, now: float) -> int:
        """How many tasks to poll for now; 0 is to wait."""
        return free if free > 0 and (self._more or now >= self._safety_at) else 0

    def asking(self, now: float) -> None:
        # Before the poll: a notification that comes while it runs counts for the next one.
        self._more = False
        self._safety_at = now + self._safety_poll

    def answered(self, asked: int, got: int) -> None:
        self._more = self._more or got >= asked

    def timeout(self, free: int, now: float) -> float:
        """How long to wait at most, when nothing happens."""
        return max(self._safety_at - now, 0.0) if free > 0 else self._safety_poll


class Backoff:
    """Pauses between attempts to reach the server: exponential, with jitter."""

    SHORTEST = 0.1
    LONGEST = 10.0

    def __init__(self) -> None:
        self._next = self.SHORTEST

    def reset(self) -> None:
        self._next = self.SHORTEST

    def pause(self) -> float:
        pause, self._next = self._next, min(self._next * 2, self.LONGEST)
        return pause * random.uniform(0.5, 1.0)
