"""The routes that watchdogs ask."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from api.access import OpenRoute
from api.availability import Unavailable
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from schema import dispatcher, doctor
from schema.findings import Finding
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


class Check(BaseModel):
    """One thing that was looked at. Whom and what it is about, `python -m reaper --doctor` says."""

    about: str
    word: Literal["ok", "doubt", "fault"]
    remedy: str = Field(description="What to do about it; empty where all is well")


class Ready(Alive):
    """Requests can be served; whether tasks are started is another matter."""

    dispatcher: Literal["running", "stopped"]
    checks: list[Check] | None = Field(None, description="With verbose: what the doctor found")


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


@router.get("/readyz", responses=problems(503), response_model_exclude_none=True)
async def readyz(
    database: DatabaseDependency,
    verbose: Annotated[str | None, Query(description="Look at more, and say what to do")] = None,
) -> Ready:
    """Answer 200 when requests can be served: the database is there and migrated."""
    state = await database.read(_state)
    if state is None:
        database.availability.suspect()
        raise Unavailable("database_not_migrated")
    findings = [] if verbose is None else await database.read(_examine)
    return Ready(
        dispatcher="running" if state.is_running else "stopped",
        checks=[_check(each) for each in findings] or None,
    )


def _state(connection: Connection) -> dispatcher.State | None:
    return dispatcher.state(connection) if is_migrated(connection) else None


def _examine(connection: Connection) -> list[Finding]:
    return list(doctor.examine(connection, doctor.QUICK))


def _check(finding: Finding) -> Check:
    return Check.model_validate(
        {"about": finding.about, "word": finding.word, "remedy": finding.remedy}
    )
