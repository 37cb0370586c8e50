"""The routes that watchdogs ask."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Connection

from api.access import OpenRoute
from api.availability import Unavailable
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from schema import dispatcher
from schema.server import is_migrated
from schema.version import VERSION

router = APIRouter(tags=["health"], route_class=OpenRoute, generate_unique_id_function=operation_id)


class Health(BaseModel):
    """How this process is; degraded while it cannot use the database."""

    status: Literal["healthy", "degraded"]
    timestamp: datetime
    version: str


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Alive):
    """Requests can be served; whether tasks are started is another matter."""

    dispatcher: Literal["running", "stopped"]


@router.get("/health")
async def health(database: DatabaseDependency) -> Health:
    """Say how this process is, without asking the database."""
    status: Literal["healthy", "degraded"]
    status = "healthy" if database.availability.is_given else "degraded"
    return Health(status=status, timestamp=datetime.now(UTC), version=VERSION)


@router.get("/livez")
async def livez() -> Alive:
    """Answer for as long as the process can; needs no database."""
    return Alive()


@router.get("/readyz", responses=problems(503))
async def readyz(database: DatabaseDependency) -> Ready:
    """Answer 200 when requests can be served: the database is there and migrated."""
    state = await database.read(_state)
    if state is None:
        database.availability.suspect()
        raise Unavailable("database_not_migrated")
    return Ready(dispatcher="running" if state.is_running else "stopped")


def _state(connection: Connection) -> dispatcher.State | None:
    return dispatcher.state(connection) if is_migrated(connection) else None
