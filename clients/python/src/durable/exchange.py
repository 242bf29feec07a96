"""What a worker says to the server, as exchanges (see link.py), and what it makes of the errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, TypeVar

import psycopg

from .call import Call, HeartbeatReply
from .errors import error_detail
from .ledger import Ledger
from .link import Exchange
from .task_calls import complete_all, heartbeat_all

T = TypeVar("T")
V = TypeVar("V")

# By class of SQLSTATE: the statement will never be accepted as it is ...
_REFUSALS = ("22", "23", "54", "WF")
# ... or there is no point in sending any other statement now.
_SERVER_TROUBLE = ("08", "25", "53", "57", "58")


def flush(ledger: Ledger, now: float) -> Exchange[None]:
    """Sends the heartbeats that are due and all reports.

    Heartbeats go first: a failed attempt's last details are for the attempt after it.
    """
    ledger.expire(now)

    def beaten(beats: dict[str, str | None], replies: Mapping[str, HeartbeatReply]) -> None:
        ledger.beaten(beats, replies, now)

    yield from _send(
        ledger.due_beats(now),
        heartbeat_all,
        beaten,
        lambda token, error: ledger.beat_refused(token, now, error),
        lambda token: None,
    )
    yield from _send(
        ledger.completions(),
        complete_all,
        lambda results, _: ledger.accepted(results),
        ledger.report_refused,
        ledger.postpone,
    )
    for report in ledger.other_reports():
        yield from _send(
            {report.token: report},
            lambda reports: next(iter(reports.values())).call(),
            lambda reports, _: ledger.accepted(reports),
            ledger.report_refused,
            ledger.postpone,
        )


def _send(
    items: dict[str, V],
    call: Callable[[dict[str, V]], Call[T]],
    accepted: Callable[[dict[str, V], T], None],
    refused: Callable[[str, psycopg.Error], None],
    postponed: Callable[[str], None],
) -> Exchange[None]:
    """Sends all items in one statement; the server takes all of them or none.

    Where some are refused, the rest is sent again.  Other errors are for the caller, who will try
    everything later.
    """
    while items:
        try:
            answer = yield call(items)
        except psycopg.Error as error:
            if (error.sqlstate or "08").startswith(_SERVER_TROUBLE) and not _is_local(error):
                raise
            culprits = _stale_tokens(error) & items.keys()
            if not culprits and len(items) > 1:
                for token, item in items.items():
                    yield from _send({token: item}, call, accepted, refused, postponed)
                return
            if not culprits and not _is_refusal(error):
                postponed(*items)
                raise
            for token in culprits or list(items):
                refused(token, error)
                del items[token]
        else:
            accepted(items, answer)
            return


def _is_refusal(error: psycopg.Error) -> bool:
    return _is_local(error) or (error.sqlstate or "").startswith(_REFUSALS)


def _is_local(error: psycopg.Error) -> bool:
    """psycopg itself could not make a statement of it."""
    return error.sqlstate is None and isinstance(error, psycopg.DataError)


def _stale_tokens(error: psycopg.Error) -> set[str]:
    detail = error_detail(error)
    tokens = detail.get("tokens") if isinstance(detail, dict) else None
    return set(tokens) if isinstance(tokens, list) else set()
