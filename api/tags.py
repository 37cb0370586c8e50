"""The routes of tags."""

from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import ClientRoute, OperatorRoute
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.paths import prefix
from api.problems import Problem
from schema import tags
from schema.fields import Tag
from schema.limits import COUNT_LIMIT
from schema.tags import TagRow, TagTakenError

router = APIRouter(tags=["tags"], route_class=ClientRoute, generate_unique_id_function=operation_id)
operators = APIRouter(
    tags=["tags"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

MOST_PAGES = 50
"""Pages of tasks that one request changes, each in a transaction of its own."""

MOST_LISTED = 100
"""Tags of one answer: each is counted."""

TagName = Annotated[Tag, Path(description="Name of the tag")]

LISTED: dict[str, Any] = {
    "description": "Tags, by their names",
    "headers": {
        "Link": {
            "description": 'The next page, with rel="next", when there may be one',
            "schema": {"type": "string"},
        },
        "X-Total-Count": {
            "description": "With include_total=true: how many tags there are, up to 10,000",
            "schema": {"type": "integer"},
        },
    },
}


class TagSummary(BaseModel):
    """A tag; it came to be with the first task that had it."""

    name: str
    count: int = Field(description=f"How many tasks have it, counted up to {COUNT_LIMIT}")


class TagChange(BaseModel):
    """What a tag is to be called."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Tag


class TagQuery(BaseModel):
    """Parameters of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = MOST_LISTED
    after: Tag | None = Field(
        None, description="Only tags behind this one: what a `next` link uses"
    )
    include_total: bool = Field(
        default=False, description="Count the tags, up to 10,000, as X-Total-Count"
    )


@router.get("/tags", response_model=list[TagSummary], responses={200: LISTED, **problems(422, 503)})
async def list_tags(
    query: Annotated[TagQuery, Query()], request: Request, database: DatabaseDependency
) -> Response:
    """List tags by their names, each with how many tasks have it."""

    def work(connection: Connection) -> tuple[list[TagRow], int | None]:
        page = tags.page(connection, limit=query.limit, after=query.after or "")
        return page, tags.count(connection) if query.include_total else None

    page, total = await database.read(work)
    headers = {} if total is None else {"x-total-count": str(total)}
    if len(page) == query.limit:
        kept = {"limit": query.limit, "after": page[-1]["name"]}
        more = {"include_total": "true"} if query.include_total else {}
        address = f"{prefix(request.scope)}/tags?{urlencode(more | kept)}"
        headers["link"] = f'<{address}>; rel="next"'
    return Response(orjson.dumps(page), 200, headers, "application/json")


@operators.patch(
    "/tags/{name:path}",
    response_model=TagSummary,
    responses=problems(400, 404, 409, 413, 415, 422, 503),
)
async def rename_tag(name: TagName, change: TagChange, database: DatabaseDependency) -> Response:
    """Give a tag another name, which all its tasks have at once.

    They get new versions, in steps of 1,000; beyond 50,000 tasks the newest keep theirs.
    """

    def begin(connection: Connection) -> tuple[int, int | None]:
        try:
            tag_id = tags.rename(connection, name, change.name)
        except TagTakenError:
            raise Problem(409, "tag_exists", values={"tag": change.name}) from None
        if tag_id is None:
            raise _no_tag(name)
        return tag_id, tags.touch(connection, tag_id)

    def go_on(connection: Connection) -> int | None:
        return tags.touch(connection, tag_id, after_id=last or 0)

    tag_id, last = await database.write(begin)
    for _ in range(MOST_PAGES - 1):
        if last is None:
            break
        last = await database.write(go_on)
    tag = await database.read(lambda connection: tags.find(connection, change.name))
    if tag is None:
        raise _no_tag(change.name)
    return Response(orjson.dumps(tag), media_type="application/json")


@operators.delete("/tags/{name:path}", status_code=204, responses=problems(404, 503))
async def delete_tag(name: TagName, database: DatabaseDependency) -> Response:
    """Take a tag from all its tasks, which get new versions, in steps of 1,000.

    Where more than 50,000 tasks have it, the answer is a 503: the same request goes on.
    """
    for page in range(MOST_PAGES):
        is_gone = await database.write(lambda connection: tags.remove(connection, name))
        if is_gone is None and page == 0:
            raise _no_tag(name)
        if is_gone is not False:
            return Response(status_code=204)
    raise Problem(503, "tag_large", values={"tag": name}, headers={"retry-after": "0"})


def _no_tag(name: str) -> Problem:
    return Problem(404, "tag_not_found", values={"tag": name})
