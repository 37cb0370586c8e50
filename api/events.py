"""The routes that tell of changes as they happen."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from api.access import ClientRoute
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.hub import Hub
from api.refusals import found
from api.streams import Follow, events
from api.task_query import FILTER_PARAMETERS, FiltersDependency
from api.tasks import TaskId

router = APIRouter(
    tags=["events"], route_class=ClientRoute, generate_unique_id_function=operation_id
)

MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
STREAM: dict[str, Any] = {
    "description": "Server-sent events, until the client leaves or the server ends: `snapshot`,"
    " an array of tasks in place of all that was told before; `task`, one that is new or changed;"
    " `gone`, the `id` of one that was deleted or does not match any more",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}

LastEventId = Annotated[
    str | None, Header(description="The last id that was seen: the stream goes on from there")
]


class EventStream(StreamingResponse):
    """Events, as they happen."""

    media_type = MEDIA_TYPE
    body_iterator: AsyncGenerator[bytes]

    async def stream_response(self, send: Send) -> None:
        """Send events; when the client leaves, nobody follows any more."""
        async with aclosing(self.body_iterator):
            await super().stream_response(send)


async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


HubDependency = Annotated[Hub, Depends(_hub)]


@router.get(
    "/events",
    response_class=EventStream,
    responses={200: STREAM, **problems(422, 503)},
    openapi_extra=FILTER_PARAMETERS,
)
async def stream_events(
    filters: FiltersDependency,
    request: Request,
    database: DatabaseDependency,
    hub: HubDependency,
    last_event_id: LastEventId = None,
) -> Response:
    """Tell of the tasks that match, beginning with the newest 100."""
    hub.require_room()
    database.availability.require()
    return _stream(request, hub, partial(hub.following, filters.filter()), last_event_id)


@router.get(
    "/tasks/{task_id:number}/events/stream",
    response_class=EventStream,
    responses={200: STREAM, **problems(404, 503)},
)
async def stream_task_events(
    task_id: TaskId,
    request: Request,
    database: DatabaseDependency,
    hub: HubDependency,
    last_event_id: LastEventId = None,
) -> Response:
    """Tell of one task, beginning with how it stands."""
    hub.require_room()
    await database.read(lambda connection: found(connection, task_id))
    return _stream(request, hub, partial(hub.following_task, task_id), last_event_id)


def _stream(request: Request, hub: Hub, follow: Follow, last_event_id: str | None) -> Response:
    if request.scope.get("is_head"):
        return Response(headers=HEADERS, media_type=MEDIA_TYPE)
    return EventStream(events(hub, follow, last_event_id), headers=HEADERS)
