"""Questions that are asked together: those that come while one is under way are the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from itertools import islice
from typing import Generic, TypeVar

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")

MOST_AT_ONCE = 200


class Gathered(Generic[Q, A]):
    """Asks for many with one round trip at a time."""

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A] | None]]) -> None:
        """`ask` returns an answer for each question, or None for no answers; it never raises."""
        self._ask = ask
        self._waiting: dict[Q, list[asyncio.Future[A | None]]] = {}
        self._asking: asyncio.Task[None] | None = None

    @property
    def backlog(self) -> int:
        """How many questions wait for those under way."""
        return len(self._waiting)

    async def ask(self, question: Q) -> A | None:
        """Return the answer to a question that is asked from now on; None: there was none."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A | None] = loop.create_future()
        self._waiting.setdefault(question, []).append(future)
        if self._asking is None:
            self._asking = loop.create_task(self._ask_all())
        return await future

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                self._forget_who_gave_up()
                questions = list(islice(self._waiting, MOST_AT_ONCE))
                if not questions:
                    break
                waiting = [self._waiting.pop(question) for question in questions]
                answers = await self._ask(questions)
                for at, futures in enumerate(waiting):
                    _tell(futures, None if answers is None else answers[at])
        finally:
            self._asking = None

    def _forget_who_gave_up(self) -> None:
        self._waiting = {
            question: futures
            for question, futures in self._waiting.items()
            if not all(future.done() for future in futures)
        }


def _tell(futures: Iterable[asyncio.Future[A | None]], answer: A | None) -> None:
    for future in futures:
        if not future.done():  # whoever asked may have given up
            future.set_result(answer)
