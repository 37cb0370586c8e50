"""The routes that watchdogs ask."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from api.availability import unavailable
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from schema.server import is_migrated
from schema.version import VERSION

router = APIRouter(tags=["health"], generate_unique_id_function=operation_id)


class Health(BaseModel):
    """How this process is; degraded while it cannot use the database."""

    status: Literal["healthy", "degraded"]
    timestamp: datetime
    version: str


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


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
async def readyz(database: DatabaseDependency) -> Alive:
    """Answer 200 when requests can be served: the database is there and migrated."""
    if not await database.read(is_migrated):
        database.availability.suspect()
        raise unavailable("database_not_migrated")
    return Alive()
