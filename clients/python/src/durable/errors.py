"""What can go wrong: one class for each SQLSTATE of durable, and what activities raise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from .codec import Codec, decode_deep


class DurableError(Exception):
    """An error told by durable.  The psycopg error it came with, if any, is its __cause__."""

    sqlstate: str | None = None
    detail: Any = None

    @property
    def message(self) -> str:
        return str(self)


class WorkflowNotFound(DurableError):
    sqlstate = "WF005"


class WorkflowAlreadyRunning(DurableError):
    """The id belongs to a running workflow, or `on_closed` forbids to use it again."""

    sqlstate = "WF006"


class WorkflowClosed(DurableError):
    sqlstate = "WF007"


class LimitExceeded(DurableError):
    sqlstate = "WF011"


class WorkflowFailed(DurableError):
    """The workflow failed, was cancelled, was terminated or timed out."""

    sqlstate = "WF012"

    @property
    def status(self) -> str | None:
        return self.detail.get("status") if isinstance(self.detail, dict) else None

    @property
    def failure(self) -> dict[str, Any]:
        """The failure as an object: message, type, sqlstate, details, cause ..."""
        failure = self.detail.get("failure") if isinstance(self.detail, dict) else None
        return failure if isinstance(failure, dict) else {}


class TaskLost(DurableError):
    """The attempt timed out, was superseded or closed: the task is no longer ours."""

    sqlstate = "WF013"


class UpdateRejected(DurableError):
    sqlstate = "WF014"


class StillRunning(DurableError):
    """The workflow was still running when the timeout was over."""

    sqlstate = "WF015"


class StartUncommitted(DurableError):
    """The workflow was started in this very transaction, so waiting for it would never end."""

    sqlstate = "WF016"


class ActivityCancelled(DurableError):
    """Raised by `activity.heartbeat()` once the activity should stop; `details` are recorded."""

    def __init__(self, message: str = "the activity was cancelled", details: Any = None) -> None:
        super().__init__(message)
        self.details = details


class ApplicationError(DurableError):
    """Raise this in an activity to say how its attempt failed.

    `type` is what retry policies match in `non_retryable`; a subclass need not give it, its name is
    its type.
    """

    def __init__(
        self,
        message: str = "",
        *,
        type: str | None = None,
        details: Any = None,
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.type = type or self.__class__.__name__
        self.details = details
        self.non_retryable = non_retryable
        self.next_retry_delay = next_retry_delay


class CompleteAsync(BaseException):
    """Raise this in an activity that somebody else will complete, by its token or by its ids.

    Not an Exception, so that an `except Exception` around it does not make a result of it.
    """


_BY_SQLSTATE = {
    cls.sqlstate: cls for cls in DurableError.__subclasses__() if cls.sqlstate is not None
}


@contextmanager
def typed_errors(codec: Codec) -> Iterator[None]:
    """Raises durable's own errors instead of psycopg's; those of other SQLSTATEs pass."""
    try:
        yield
    except psycopg.Error as error:
        sqlstate = error.sqlstate or ""
        if not sqlstate.startswith("WF"):
            raise
        typed = _BY_SQLSTATE.get(sqlstate, DurableError)(error.diag.message_primary or "")
        typed.sqlstate = sqlstate
        typed.detail = decode_deep(codec, error_detail(error))
        raise typed from error


def error_detail(error: psycopg.Error) -> Any:
    """The DETAIL of an error: parsed where it is JSON, else its text."""
    text = error.diag.message_detail
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
