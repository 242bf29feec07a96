"""What an activity is: the decorator, the call with its input, and what it asks while it runs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Callable, Protocol, TypeVar, overload

from .errors import ApplicationError, CompleteAsync

F = TypeVar("F", bound=Callable[..., Any])
_NAME = "__durable_activity__"


class Running(Protocol):
    """The attempt that runs, as far as its code may ask (task.Task)."""

    info: Info
    paused: bool

    @property
    def interruption(self) -> Exception | None: ...

    def heartbeat(self, details: Any = None) -> None: ...


current_task: ContextVar[Running] = ContextVar("durable_task")


@dataclass(frozen=True)
class Info:
    """What the attempt of an activity knows of itself."""

    activity: str
    workflow_id: str
    run_id: str
    activity_id: str
    attempt: int
    idempotency_key: str
    task_token: str
    task_queue: str
    scheduled_at: datetime
    deadline: datetime | None
    heartbeat_timeout: timedelta | None
    heartbeat_details: Any
    """What an earlier attempt recorded last."""


class _Activity:
    """`@activity` makes a function an activity; in it, `activity.info()` and the others work."""

    CompleteAsync = CompleteAsync

    @overload
    def __call__(self, function: F, /) -> F: ...

    @overload
    def __call__(self, /, *, name: str) -> Callable[[F], F]: ...

    def __call__(self, function: Any = None, /, *, name: str | None = None) -> Any:
        def mark(function: F) -> F:
            setattr(function, _NAME, name or function.__name__)
            return function

        return mark if function is None else mark(function)

    def info(self) -> Info:
        return self._task().info

    def heartbeat(self, details: Any = None) -> None:
        """Tells that the activity lives, and records `details` for the next attempt, if given.

        It never waits: the worker sends the newest details from time to time.  In a function it
        raises ActivityCancelled once the activity should stop and TaskLost once nobody wants its
        result; a coroutine gets asyncio.CancelledError at its next await instead.
        """
        self._task().heartbeat(details)

    def heartbeat_details(self) -> Any:
        """The last details an earlier attempt recorded, None if none did."""
        return self._task().info.heartbeat_details

    def is_cancelled(self) -> bool:
        """Whether the activity should stop, for whatever reason."""
        return self._task().interruption is not None

    def is_paused(self) -> bool:
        """Whether an operator has paused the workflow or the activity."""
        return self._task().paused

    @staticmethod
    def _task() -> Running:
        try:
            return current_task.get()
        except LookupError:
            raise RuntimeError("not in an activity that a worker runs") from None


activity = _Activity()


class Definition:
    """An activity as a worker knows it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        name = getattr(function, _NAME, None)
        if name is None:
            raise TypeError(f"{function!r} is not an activity: decorate it with @activity")
        self.name: str = name
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self._signature = inspect.signature(function)
        self._takes_whole = _takes_whole(self._signature)

    def call(self, payload: Any) -> Any:
        """Calls the function with the input; of a coroutine function, returns the coroutine."""
        if isinstance(payload, dict) and not self._takes_whole:
            if self._fits(payload) or len(self._signature.parameters) != 1:
                return self.function(**payload)
        if payload is None and not self._signature.parameters:
            return self.function()
        return self.function(payload)

    def _fits(self, arguments: dict[str, Any]) -> bool:
        try:
            self._signature.bind(**arguments)
        except TypeError:
            return False
        return True


def _takes_whole(signature: inspect.Signature) -> bool:
    """Whether the only parameter is annotated as an object, so that it gets the input as it is."""
    parameters = list(signature.parameters.values())
    if len(parameters) != 1 or parameters[0].kind is inspect.Parameter.VAR_KEYWORD:
        return False
    annotation = parameters[0].annotation
    if not isinstance(annotation, str):  # it is one with `from __future__ import annotations`
        annotation = inspect.formatannotation(annotation)
    name = annotation.strip("\"'").partition("[")[0].rpartition(".")[2]
    return name in ("dict", "Dict", "Mapping", "MutableMapping", "Any")


def by_name(functions: Any) -> Mapping[str, Definition]:
    definitions: dict[str, Definition] = {}
    for function in functions:
        definition = Definition(function)
        if definition.name in definitions:
            raise ValueError(f"two activities are called {definition.name!r}")
        definitions[definition.name] = definition
    return definitions


def unregistered(name: str) -> Definition:
    """Stands for an activity this worker does not know; during a deployment another one may."""

    @activity(name=name)
    def missing(input: Any) -> None:
        raise ApplicationError(
            f"this worker has no activity {name!r}", type="ActivityNotRegistered"
        )

    return Definition(missing)
