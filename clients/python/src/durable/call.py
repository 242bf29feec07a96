"""A statement the library sends, as a value: its text, its parameters and how to read its rows.

Nothing here talks to a server, so blocking and asyncio code share all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import (
    Any,
    Callable,
    Generic,
    NamedTuple,
    TypeVar,
    Union,
)

from .codec import Codec, decode_deep, loads

T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Interval = Union[timedelta, float]

PARAMETER_TYPES = {
    **dict.fromkeys(("input", "payload", "result", "details"), "jsonb"),
    **dict.fromkeys(("args", "retry", "memo", "search_attributes"), "jsonb"),
    **dict.fromkeys(("timeout", "execution_timeout", "run_timeout"), "interval"),
    **dict.fromkeys(("start_delay", "next_retry_delay", "wait"), "interval"),
    **dict.fromkeys(("priority", "max"), "int"),
    "fairness_weight": "float8",
    "non_retryable": "boolean",
    "run_id": "uuid",
}


class HeartbeatReply(NamedTuple):
    cancel_requested: bool
    paused: bool


@dataclass(frozen=True)
class Call(Generic[T]):
    """One statement, and how its rows become its answer."""

    sql: str
    params: Sequence[Any]
    read: Callable[[Rows], T]


def nothing(rows: Rows) -> None:
    return None


def scalar(rows: Rows) -> Any:
    return rows[0][0]


def text(rows: Rows) -> str:
    return str(rows[0][0])


def decoded(codec: Codec) -> Callable[[Rows], Any]:
    return lambda rows: loads(codec, rows[0][0])


def annotated(codec: Codec) -> Callable[[Rows], Any]:
    """For JSON the server composed, perhaps of encoded parts."""
    return lambda rows: None if rows[0][0] is None else decode_deep(codec, json.loads(rows[0][0]))


def heartbeat_reply(rows: Rows) -> HeartbeatReply:
    return HeartbeatReply(*rows[0])


def call(
    verb: str, function: str, read: Callable[[Rows], T], arguments: Mapping[str, Any]
) -> Call[T]:
    """A call by named arguments.  What is None is left out: the server's default is meant."""
    given = {name: value for name, value in arguments.items() if value is not None}
    listed = ", ".join(f"{name} => %s::{PARAMETER_TYPES.get(name, 'text')}" for name in given)
    return Call(f"{verb} {function}({listed})", [_param(*item) for item in given.items()], read)


def _param(name: str, value: Any) -> Any:
    if PARAMETER_TYPES.get(name) == "interval" and not isinstance(value, timedelta):
        return timedelta(seconds=value)
    return value


def select(function: str, read: Callable[[Rows], T], **arguments: Any) -> Call[T]:
    return call("SELECT * FROM", function, read, arguments)
