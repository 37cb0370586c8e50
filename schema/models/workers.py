"""Worker processes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from schema.limits import WORKER_ID_LENGTH
from schema.models.metadata import (
    UTC_NOW,
    Model,
    Moment,
    one_of,
    table_options,
)


class WorkerStatus(StrEnum):
    """Whether a worker lives.

    - alive: its heart beats
    - draining: it claims no more, and ends what it runs
    - stopped: it has ended
    - dead: its heart stopped, and the reaper said so
    """

    ALIVE = "alive"
    DRAINING = "draining"
    STOPPED = "stopped"
    DEAD = "dead"


class Worker(Model):
    """One start of a worker process. A dead row never lives again: the process takes a new id."""

    __tablename__ = "workers"
    __table_args__ = (
        Index(None, "status", "last_heartbeat_at"),
        CheckConstraint("status <> ''", name="words"),
        CheckConstraint("(status IN ('stopped', 'dead')) = (ended_at IS NOT NULL)", name="ended"),
        table_options("Worker processes, one row for each start"),
    )

    id: Mapped[str] = mapped_column(
        String(WORKER_ID_LENGTH), primary_key=True, comment="Chosen by the process at its start"
    )
    host: Mapped[str] = mapped_column(String(255), comment="Name of its host")
    pid: Mapped[int] = mapped_column(Integer, comment="Process id on that host")
    version: Mapped[str] = mapped_column(String(64), comment="Version of Rowlease that it runs")
    queues: Mapped[Any] = mapped_column(JSON, comment="Queues that it takes, as configured")
    task_types: Mapped[Any] = mapped_column(JSON, comment="Task types that it has handlers for")
    slots: Mapped[int] = mapped_column(Integer, comment="Tasks that it runs at once")
    status: Mapped[str] = mapped_column(
        one_of(WorkerStatus),
        server_default="alive",
        comment="alive, draining, stopped, or dead (its heart stopped and the reaper said so)",
    )
    started_at: Mapped[datetime] = mapped_column(
        Moment, server_default=UTC_NOW, comment="When it registered (UTC)"
    )
    last_heartbeat_at: Mapped[datetime] = mapped_column(
        Moment, server_default=UTC_NOW, comment="When its heart last beat (UTC)"
    )
    ended_at: Mapped[datetime | None] = mapped_column(
        Moment, comment="When it stopped or was called dead (UTC)"
    )
