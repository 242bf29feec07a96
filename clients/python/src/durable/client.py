"""Clients: one statement a call, on a connection of their own or on the application's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from functools import wraps
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import psycopg

from . import calls
from .call import Call
from .codec import PLAIN, Codec
from .errors import typed_errors
from .link import execute, execute_async

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    build: Callable[Concatenate[Codec, P], Call[T]],
) -> Callable[Concatenate[Client, P], T]:
    @wraps(build)
    def method(self: Client, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(build(self._codec, *args, **kwargs))

    return method  # type: ignore[return-value]  # to mypy, wraps() makes something else


def _awaitable(
    build: Callable[Concatenate[Codec, P], Call[T]],
) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    @wraps(build)
    def method(self: AsyncClient, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self._run(build(self._codec, *args, **kwargs))

    return method  # type: ignore[return-value]  # to mypy, wraps() makes something else


class Client:
    """Starts workflows, talks to them and waits for them.

    Given a connection, every call is one statement in whatever transaction the connection is in: a
    start or a signal commits with the rows of the application, or not at all.  Given a conninfo,
    the client opens a connection of its own, where every call commits by itself; threads that share
    it wait for each other.
    """

    def __init__(self, connection: str | psycopg.Connection[Any], *, codec: Codec = PLAIN) -> None:
        self._conninfo = connection if isinstance(connection, str) else None
        self._conn = None if isinstance(connection, str) else connection
        self._codec = codec
        self._connecting = threading.Lock()

    start = _blocking(calls.start)
    execute = _blocking(calls.execute)
    signal = _blocking(calls.signal)
    signal_with_start = _blocking(calls.signal_with_start)
    result = _blocking(calls.result)
    query = _blocking(calls.query)
    describe = _blocking(calls.describe)
    cancel = _blocking(calls.cancel)
    terminate = _blocking(calls.terminate)
    update = _blocking(calls.update)
    update_with_start = _blocking(calls.update_with_start)
    pause = _blocking(calls.pause)
    unpause = _blocking(calls.unpause)
    complete_activity = _blocking(calls.complete_activity)
    complete_activity_by_id = _blocking(calls.complete_activity_by_id)
    fail_activity = _blocking(calls.fail_activity)
    fail_activity_by_id = _blocking(calls.fail_activity_by_id)
    cancelled_activity = _blocking(calls.cancelled_activity)
    cancelled_activity_by_id = _blocking(calls.cancelled_activity_by_id)
    heartbeat_activity = _blocking(calls.heartbeat_activity)
    heartbeat_activity_by_id = _blocking(calls.heartbeat_activity_by_id)

    def close(self) -> None:
        """Closes the connection if it is the client's own."""
        if self._conninfo is not None and self._conn is not None:
            self._conn.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self, call: Call[T]) -> T:
        with typed_errors(self._codec):
            return execute(self._connection(), call)

    def _connection(self) -> psycopg.Connection[Any]:
        if self._conninfo is None:
            assert self._conn is not None
            return self._conn
        with self._connecting:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(self._conninfo, autocommit=True)
            return self._conn


class AsyncClient:
    """As Client, for asyncio."""

    def __init__(
        self, connection: str | psycopg.AsyncConnection[Any], *, codec: Codec = PLAIN
    ) -> None:
        self._conninfo = connection if isinstance(connection, str) else None
        self._conn = None if isinstance(connection, str) else connection
        self._codec = codec
        self._connecting: asyncio.Lock | None = None

    start = _awaitable(calls.start)
    execute = _awaitable(calls.execute)
    signal = _awaitable(calls.signal)
    signal_with_start = _awaitable(calls.signal_with_start)
    result = _awaitable(calls.result)
    query = _awaitable(calls.query)
    describe = _awaitable(calls.describe)
    cancel = _awaitable(calls.cancel)
    terminate = _awaitable(calls.terminate)
    update = _awaitable(calls.update)
    update_with_start = _awaitable(calls.update_with_start)
    pause = _awaitable(calls.pause)
    unpause = _awaitable(calls.unpause)
    complete_activity = _awaitable(calls.complete_activity)
    complete_activity_by_id = _awaitable(calls.complete_activity_by_id)
    fail_activity = _awaitable(calls.fail_activity)
    fail_activity_by_id = _awaitable(calls.fail_activity_by_id)
    cancelled_activity = _awaitable(calls.cancelled_activity)
    cancelled_activity_by_id = _awaitable(calls.cancelled_activity_by_id)
    heartbeat_activity = _awaitable(calls.heartbeat_activity)
    heartbeat_activity_by_id = _awaitable(calls.heartbeat_activity_by_id)

    async def close(self) -> None:
        """Closes the connection if it is the client's own."""
        if self._conninfo is not None and self._conn is not None:
            await self._conn.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _run(self, call: Call[T]) -> T:
        with typed_errors(self._codec):
            return await execute_async(await self._connection(), call)

    async def _connection(self) -> psycopg.AsyncConnection[Any]:
        if self._conninfo is None:
            assert self._conn is not None
            return self._conn
        if self._connecting is None:  # 3.9 binds a lock to the loop that runs when it is made
            self._connecting = asyncio.Lock()
        async with self._connecting:
            if self._conn is None or self._conn.closed:
                connect = psycopg.AsyncConnection.connect
                self._conn = await connect(self._conninfo, autocommit=True)
            return self._conn
