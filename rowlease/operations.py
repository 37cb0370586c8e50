"""Methods that are written once, as coroutines, and called by both clients.

class Tasks(Resource[M]):
    @Operation
    async def get(self, task_id: int) -> Task: ...

On Tasks[Sync] `get(5)` returns a Task, on Tasks[Async] it returns a coroutine of one. Type checkers
read this from the overloads of `__get__`.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from rowlease.connection import Connection
from rowlease.transports import Async, Sync, Transport

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=Transport)


class Resource(Generic[M]):
    """Something that the API serves, over a connection; M says how its methods are called."""

    def __init__(self, connection: Connection[M]) -> None:
        self._connection = connection


class Operation(Generic[P, T]):
    """A method that sends requests and returns one thing."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._function = function

    @overload
    def __get__(
        self, resource: None, owner: type
    ) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, resource: Resource[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: Resource[Async], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        """Return the method as it is called on this resource."""
        if resource is None:
            return self._function
        transport = resource._connection.transport  # noqa: SLF001  # in one module
        return transport.method(self._function.__get__(resource))


class Listing(Generic[P, T]):
    """A method that returns an iterator, which sends requests as it goes."""

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncIterator[T]]) -> None:
        self._function = function

    @overload
    def __get__(
        self, resource: None, owner: type
    ) -> Callable[Concatenate[Any, P], AsyncIterator[T]]: ...
    @overload
    def __get__(self, resource: Resource[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, resource: Resource[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, resource: Resource[Any] | None, owner: type) -> Any:
        """Return the method as it is called on this resource."""
        if resource is None:
            return self._function
        transport = resource._connection.transport  # noqa: SLF001  # in one module

        @wraps(self._function)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return transport.iterator(self._function(resource, *args, **kwargs))

        return method
