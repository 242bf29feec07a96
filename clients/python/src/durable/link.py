"""Sending calls over a psycopg connection: the only place where blocking and asyncio differ.

An exchange is a generator that yields calls and is sent their answers, or is thrown the psycopg
errors; so what a worker says to the server is written once, for both kinds of connections.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg.types.string import TextLoader

from .call import Call, Rows

T = TypeVar("T")
Exchange = Generator[Call[Any], Any, T]

_DEFAULTS = {
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    # A connection whose other end vanished must be found out while the worker sleeps in it.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def worker_conninfo(conninfo: str, identity: str) -> str:
    """The conninfo with the defaults of a worker; what it says itself goes first."""
    defaults: dict[str, Any] = {**_DEFAULTS, "fallback_application_name": f"durable {identity}"}
    return make_conninfo("", **{**defaults, **conninfo_to_dict(conninfo)})


def execute(conn: psycopg.Connection[Any], call: Call[T]) -> T:
    with conn.cursor(row_factory=tuple_row) as cursor:
        _read_json_as_text(cursor)
        cursor.execute(call.sql, call.params)
        rows: Rows = cursor.fetchall()
    return call.read(rows)


async def execute_async(conn: psycopg.AsyncConnection[Any], call: Call[T]) -> T:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        _read_json_as_text(cursor)
        await cursor.execute(call.sql, call.params)
        rows: Rows = await cursor.fetchall()
    return call.read(rows)


def _read_json_as_text(cursor: Any) -> None:
    """The codec parses JSON, whatever the application has set up for its connection."""
    cursor.adapters.register_loader("jsonb", TextLoader)


def run(conn: psycopg.Connection[Any], exchange: Exchange[T]) -> T:
    try:
        call = next(exchange)
        while True:
            try:
                answer = execute(conn, call)
            except psycopg.Error as error:
                call = exchange.throw(error)
            else:
                call = exchange.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def run_async(conn: psycopg.AsyncConnection[Any], exchange: Exchange[T]) -> T:
    try:
        call = next(exchange)
        while True:
            try:
                answer = await execute_async(conn, call)
            except psycopg.Error as error:
                call = exchange.throw(error)
            else:
                call = exchange.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def notified(pgconn: psycopg.pq.abc.PGconn) -> bool:
    """Whether NOTIFYs have come, without asking the server.  They are consumed."""
    pgconn.consume_input()
    found = False
    while pgconn.notifies():
        found = True
    return found
