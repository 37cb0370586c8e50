"""`/metrics`, for Prometheus: what this process counts, and how things stand in the database."""

import os
from collections.abc import Iterator
from time import monotonic
from typing import Any

from fastapi import APIRouter
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from api.access import OperatorRoute
from api.database import Database, DatabaseDependency
from api.documentation import operation_id
from api.problems import Problem
from schema import figures
from schema.figures import Figures

router = APIRouter(
    tags=["health"], route_class=OperatorRoute, generate_unique_id_function=operation_id
)

FRESH_SECONDS = 2.0
"""How old the database's figures may be: several monitors cost as much as one."""


class Standing(Collector):
    """How things stand in the database, as gauges."""

    def __init__(self, found: Figures | None) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; without a database, only that it is away."""
        up = float(self._found is not None)
        yield GaugeMetricFamily("rowlease_database_up", "1: the database answers", value=up)
        if self._found is not None:
            yield from _gauges(self._found)


def _gauges(found: Figures) -> Iterator[Metric]:
    tasks = GaugeMetricFamily(
        "rowlease_queue_tasks", "Tasks, as the reaper counted them", labels=["queue", "status"]
    )
    for (queue, status), count in found.tasks.items():
        tasks.add_metric([queue, status], count)
    ages = GaugeMetricFamily(
        "rowlease_queue_oldest_age_seconds",
        "For how long the oldest due task has been due",
        labels=["queue"],
    )
    for queue, seconds in found.oldest_age_seconds.items():
        ages.add_metric([queue], seconds)
    workers = GaugeMetricFamily("rowlease_workers", "Worker processes", labels=["status"])
    slots = GaugeMetricFamily("rowlease_worker_slots", "Slots of workers", labels=["status"])
    for status, (count, total) in found.workers.items():
        workers.add_metric([status], count)
        slots.add_metric([status], total)
    yield from (tasks, ages, workers, slots)
    yield GaugeMetricFamily(
        "rowlease_schedule_lag_seconds",
        "How late the schedule is that waits longest to fire",
        value=found.schedule_lag_seconds,
    )
    yield GaugeMetricFamily(
        "rowlease_reaper_lag_seconds",
        "For how long the lease has been over that the reaper ought to have taken back first",
        value=found.reaper_lag_seconds,
    )
    if found.pressure is not None:
        oldest = found.pressure.oldest
        yield GaugeMetricFamily(
            "rowlease_history_row_versions", "Wait for the purge", value=found.pressure.history
        )
        yield GaugeMetricFamily(
            "rowlease_oldest_transaction_seconds",
            "For how long the oldest transaction has been open",
            value=oldest.seconds if oldest else 0,
        )


class _Kept:
    """The figures that were read last, and when."""

    found: Figures | None = None
    read_at = float("-inf")


FORMAT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Every figure, by name and labels",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


@router.get("/metrics", response_class=Response, responses=FORMAT)
async def metrics(database: DatabaseDependency) -> Response:
    """Answer in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(Standing(await _figures(database)))
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        own = b""
    else:
        own = generate_latest(REGISTRY)
    return Response(own + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _figures(database: Database) -> Figures | None:
    if monotonic() - _Kept.read_at > FRESH_SECONDS:
        try:
            _Kept.found = await database.read(figures.read)
        except Problem:
            _Kept.found = None
        _Kept.read_at = monotonic()
    return _Kept.found
