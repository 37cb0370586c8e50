"""Handlers: which function runs which type of task, and how it is to be run."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel

Function = TypeVar("Function", bound=Callable[..., Any])

Callback = Callable[..., Any]
"""Takes the Context and the Failure; `def` or `async def`."""


class Kind(StrEnum):
    """Which executor runs a handler."""

    COROUTINE = "coroutine"
    PROCESS = "process"
    THREAD = "thread"


class HandlerError(Exception):
    """A module of handlers cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for one type of task. `model` is the pydantic model of its payload, if any.

    `on_retry` and `on_failure` are called in the worker after an attempt that failed was
    settled: with the Context's claimed task and the failure.
    """

    task_type: str
    function: Callable[..., Any]
    kind: Kind
    model: type[BaseModel] | None
    on_retry: Callback | None = None
    on_failure: Callback | None = None


_registered: dict[str, Handler] = {}
_built_in: set[str] = set()
_registering: set[str] = set()
"""Modules whose import registered something."""


def handler(
    task_type: str,
    *,
    executor: str | None = None,
    on_retry: Callback | None = None,
    on_failure: Callback | None = None,
) -> Callable[[Function], Function]:
    """Register a function as the handler of `task_type`.

    It takes the Context and the payload: a dict, or the pydantic model that its second parameter
    is annotated with. `async def` runs in the worker's event loop, `def` in a child process, or,
    with executor="thread", in a thread, which nothing can kill.

    `on_retry` and `on_failure` are called in the worker, best effort, with the Context and the
    Failure, after an attempt that failed was settled and the task is retrying, or failed.

    Raises HandlerError when the type has a handler already; one that is built in is replaced.
    """
    if not isinstance(task_type, str):
        raise HandlerError('write @handler("a task type"), with the type in parentheses')

    def register(function: Function) -> Function:
        taken = _registered.get(task_type)
        if taken is not None and task_type not in _built_in:
            raise HandlerError(
                f'two handlers are registered for "{task_type}": {name_of(taken.function)} and'
                f" {name_of(function)}"
            )
        _built_in.discard(task_type)
        _registered[task_type] = Handler(
            task_type=task_type,
            function=function,
            kind=_kind(function, executor),
            model=_payload_model(function),
            on_retry=on_retry,
            on_failure=on_failure,
        )
        return function

    return register


def load(modules: Iterable[str]) -> Mapping[str, Handler]:
    """Import the modules named and return all handlers by their type.

    Raises HandlerError, with the cause chained, when a module cannot be imported.
    """
    _load_built_in()
    for module in modules:
        before = dict(_registered)
        try:
            importlib.import_module(module)
        except HandlerError:
            raise
        except Exception as error:
            raise HandlerError(
                f"WORKER_HANDLERS: the module {module} cannot be imported:"
                f" {type(error).__name__}: {error}"
            ) from error
        if _registered != before:
            _registering.add(module)
    return dict(_registered)


def without_handlers(modules: Iterable[str]) -> list[str]:
    """Return those of the modules, loaded before, that register no handler."""
    origins = {each.function.__module__ for each in _registered.values()} | _registering
    return [module for module in modules if module not in origins]


def _load_built_in() -> None:
    before = set(_registered)
    importlib.import_module("worker.builtin")
    _built_in.update(set(_registered) - before)


def _kind(function: Callable[..., Any], executor: str | None) -> Kind:
    is_coroutine = inspect.iscoroutinefunction(function)
    try:
        kind = Kind(executor or (Kind.COROUTINE if is_coroutine else Kind.PROCESS))
    except ValueError:
        raise HandlerError(
            f"{name_of(function)}: executor is one of {', '.join(Kind)}, not {executor}"
        ) from None
    if is_coroutine != (kind is Kind.COROUTINE):
        needed = "async def" if kind is Kind.COROUTINE else "def"
        raise HandlerError(f'{name_of(function)}: executor "{kind}" runs {needed} handlers')
    return kind


def _payload_model(function: Callable[..., Any]) -> type[BaseModel] | None:
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 2:
        raise HandlerError(f"{name_of(function)} must take two parameters: context and payload")
    annotation = get_type_hints(function).get(parameters[1].name)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def name_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
