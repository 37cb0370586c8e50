"""Answers that are held until a task has ended: `?wait=30` or `Prefer: wait=30`."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import Connection
from starlette.requests import Request

from api.conditional import is_known
from api.database import Database
from api.etags import task_etag
from api.faults import from_pydantic
from api.hub import Hub
from api.problems import Invalid
from schema.listing import TaskRow
from schema.states import FINISHED

LONGEST_SECONDS = 60

_SECONDS = TypeAdapter(Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)])
_PREFERRED = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)

WAIT_PARAMETERS: dict[str, Any] = {
    "parameters": [
        {
            "name": "wait",
            "in": "query",
            "required": False,
            "description": "Answer when the task has ended (with If-None-Match: or has changed),"
            " or after so many seconds as it is then",
            "schema": {"type": "number", "minimum": 0, "maximum": LONGEST_SECONDS},
        },
        {
            "name": "Prefer",
            "in": "header",
            "required": False,
            "description": f"`wait=30` does the same; more than {LONGEST_SECONDS} is taken as that",
            "schema": {"type": "string"},
        },
    ]
}

WAITED: dict[str, Any] = {
    "description": "The task",
    "headers": {
        "Preference-Applied": {
            "description": "For how long the answer was or would have been held, by Prefer",
            "schema": {"type": "string"},
        }
    },
}


class Wait(NamedTuple):
    """For how long an answer may be held, and the header that says that a preference was met."""

    seconds: float
    headers: dict[str, str]


def wait_asked(request: Request) -> Wait | None:
    """Return what is said about waiting, None where nothing is; raises Invalid."""
    given = request.query_params.getlist("wait") if request.scope["query_string"] else []
    if given:
        try:
            return Wait(_SECONDS.validate_python(given[-1]), {})
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise Invalid([from_pydantic({**details[0], "loc": ("query", "wait")})]) from None
    preferred = _PREFERRED.search(", ".join(request.headers.getlist("prefer")))
    if preferred is None:
        return None
    seconds = min(int(preferred[1]), LONGEST_SECONDS)
    return Wait(seconds, {"preference-applied": f"wait={seconds}"})


def _is_over_for(request: Request) -> Callable[[TaskRow], bool]:
    """Return what says whether a client is to be told of a task: once it has ended.

    To a client that says which state it knows, any other one is news.
    """
    names_one = "if-none-match" in request.headers

    def is_over(task: TaskRow) -> bool:
        is_news = names_one and not is_known(request, task_etag(task))
        return is_news or task["status"] in FINISHED

    return is_over


async def held(
    request: Request,
    database: Database,
    task_id: int,
    wait: Wait,
    read: Callable[[Connection], TaskRow],
) -> TaskRow:
    """Return a task when it is over, or as it is when the time is up; `read` reads it.

    A client that has left is not waited for: its place is for others.
    """
    hub: Hub = request.app.state.hub
    is_over = _is_over_for(request)
    deadline = time.monotonic() + (0 if hub.is_closing else wait.seconds)
    hub.require_room()
    with hub.following_task(task_id) as topic, _leaving(request) as left:
        told = topic.told
        task = await database.read(read)
        while not is_over(task):
            await _first(told, left, deadline - time.monotonic())
            if left.done():
                break
            told = topic.told
            is_last = hub.is_closing or time.monotonic() >= deadline
            if is_last or topic.latest is None or is_over(topic.latest):
                task = await database.read(read)
            if is_last:
                break
    return task


@contextmanager
def _leaving(request: Request) -> Iterator[asyncio.Task[None]]:
    """Have it watched whether the client leaves: then the task is done."""

    async def leave() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    left = asyncio.create_task(leave())
    try:
        yield left
    finally:
        left.cancel()


async def _first(told: asyncio.Event, left: asyncio.Task[None], seconds: float) -> None:
    """Return when there is news, the client has left or the time is up."""
    news = asyncio.create_task(told.wait())
    try:
        await asyncio.wait([news, left], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        news.cancel()
