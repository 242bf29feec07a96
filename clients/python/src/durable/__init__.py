"""durable: durable execution inside PostgreSQL.  Workers for its activities, and clients."""

from .activities import Info, activity
from .async_worker import AsyncWorker
from .client import AsyncClient, Client
from .errors import (
    ActivityCancelled,
    ApplicationError,
    CompleteAsync,
    DurableError,
    LimitExceeded,
    StartUncommitted,
    StillRunning,
    TaskLost,
    UpdateRejected,
    WorkflowAlreadyRunning,
    WorkflowClosed,
    WorkflowFailed,
    WorkflowNotFound,
)
from .worker import Worker

__all__ = [
    "ActivityCancelled",
    "ApplicationError",
    "AsyncClient",
    "AsyncWorker",
    "Client",
    "CompleteAsync",
    "DurableError",
    "Info",
    "LimitExceeded",
    "StartUncommitted",
    "StillRunning",
    "TaskLost",
    "UpdateRejected",
    "Worker",
    "WorkflowAlreadyRunning",
    "WorkflowClosed",
    "WorkflowFailed",
    "WorkflowNotFound",
    "activity",
]
