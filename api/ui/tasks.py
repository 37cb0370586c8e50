"""The list of tasks, and the rows of it that have changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.problems import Problem
from api.ui.asked import PAGE_SIZES, Asked, actions_of_all, ask
from api.ui.pages import PageRoute, database_of, packed, part, path_of, render
from api.ui.words import language_of
from schema import counts, listing, queues
from schema.fields import MAX_ID
from schema.limits import MOST_AT_ONCE
from schema.listing import Page
from schema.shown import summary
from schema.states import Priority, State

MOST_QUEUES = 200
"""Names of queues that the form offers."""

MOST_TOLD = 100
"""Of the newest that match, the stream tells of so many, and of others where Redis is there."""

MOST_NEW = 100
"""How far new tasks are counted."""


PRIORITIES = [str(each) for each in Priority]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the list, and what stands around it."""

    page: Page
    by_state: Mapping[State, int] | None
    matching: int | None
    queues: tuple[str, ...]


async def tasks_screen(request: Request) -> Response:
    """Show the tasks that the address asks for."""
    asked = ask(request.query_params, request.app.state.zone, language_of(request))
    listed = await database_of(request).read(lambda connection: _look(connection, asked))
    values = {
        "asked": asked,
        "sizes": PAGE_SIZES,
        "priorities": PRIORITIES,
        "stream": _stream(request, asked),
        "is_partly_told": len(listed.page.tasks) > MOST_TOLD or asked.value("before_id") != "",
        "by_state": listed.by_state,
        "matching": listed.matching,
        "queues": listed.queues,
        "tasks": [summary(task) for task in listed.page.tasks],
        "next": listed.page.next,
        "actions_of_all": actions_of_all(asked.query.filter()) if asked.query else [],
    }
    return render(request, "tasks.html", values, 200 if asked.query else 422)


async def changed_rows(request: Request) -> Response:
    """Tell, as JSON, how the tasks that a page shows are now, and what is new beside them."""
    given = request.query_params.multi_items()
    ids = _ids(request.query_params.get("ids", ""))
    newest = _ids(request.query_params.get("newest", ""))
    rest = [pair for pair in given if pair[0] not in {"ids", "newest", "before_id", "offset"}]
    asked = ask(rest, request.app.state.zone, language_of(request))

    def work(connection: Connection) -> tuple[Any, Any, int]:
        rows = listing.find_all(connection, ids)
        return rows, counts.by_state(connection), _count_new(connection, asked, newest)

    rows, by_state, new = await database_of(request).read(work)
    told = {
        "rows": part(request, "_rows.html", {"tasks": [summary(row) for row in rows]}),
        "states": by_state,
        "new": new,
    }
    content = orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS)
    return packed(request, content, media_type="application/json")


def _stream(request: Request, asked: Asked) -> str:
    if asked.query is None:
        return ""
    return f"{path_of(request, 'stream_events')}?{asked.filters(request.app.state.zone)}"


def _look(connection: Connection, asked: Asked) -> Listed:
    query = asked.query
    page, matching = Page((), None), None
    if query is not None:
        wanted = query.filter()
        matching = counts.matching(connection, wanted)
        page = listing.page(
            connection,
            wanted,
            limit=query.limit,
            offset=query.offset,
            before_id=query.before_id,
        )
    names = tuple(queues.names(connection, limit=MOST_QUEUES))
    return Listed(page, counts.by_state(connection), matching, names)


def _count_new(connection: Connection, asked: Asked, newest: list[int]) -> int:
    if asked.query is None or not newest:
        return 0
    page = listing.page(connection, asked.query.filter(), limit=MOST_NEW)
    return sum(task["id"] > newest[0] for task in page.tasks)


def _ids(text: str) -> list[int]:
    parts = [each for each in text.split(",") if each]
    if len(parts) > MOST_AT_ONCE or not all(_is_id(each) for each in parts):
        raise Problem(400, "request_failed")
    return [int(each) for each in parts]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_ID


ROUTES = [
    PageRoute("/ui/tasks", tasks_screen),
    PageRoute("/ui/tasks/rows", changed_rows),
]
