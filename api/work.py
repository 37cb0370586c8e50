"""Work over HTTP, for handlers in any language: claims, heartbeats, settlements.

The same functions serve these workers and those that stand beside the database: each is a row of
`workers`, which the reaper calls dead when it is silent, and every end is proved by a fence.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from api.access import WorkerRoute
from api.callbacks import require_callable
from api.database import Database, DatabaseDependency
from api.documentation import operation_id, problems
from api.problems import Problem
from api.refusals import key_taken
from api.work_fields import ClaimedTask, ClaimOrder, Ended, Heartbeat, Settled, Settlements
from schema import claims, gates, holding, leases, settling, workers
from schema.attempts import Claimed, Failure, Hold, Released
from schema.claims import ClaimShortError, ScanHints
from schema.documents import decode
from schema.endings import Backoff
from schema.queue_choice import QueueChoice
from schema.reserved import FOR_WHO_HAS_SECRETS
from schema.runtime.metrics import note_started
from schema.shown import OPTIONS
from schema.unique_keys import UniqueKeyTakenError
from schema.workers import WorkerDescription

router = APIRouter(tags=["work"], route_class=WorkerRoute, generate_unique_id_function=operation_id)

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
"""How often a claim that waits looks: less and less often, and it beats as often."""

UNKNOWN_SECONDS = 10.0
"""For how long a task of a type that the worker cannot run is given back."""


@lru_cache(maxsize=1_000)
def _choice(words: tuple[str, ...]) -> QueueChoice:
    """Return the choice of queues, the same each time: queues that * chose come by turns.

    Callbacks are for who has the secret to sign them, and the like: * does not choose them.
    """
    left_out = [f"-{queue}" for queue in FOR_WHO_HAS_SECRETS if queue not in words]
    return QueueChoice.parse(",".join([*words, *left_out]))


@router.post(
    "/claims",
    response_model=list[ClaimedTask],
    responses=problems(400, 409, 413, 415, 422, 503),
)
async def claim_tasks(
    order: Annotated[ClaimOrder, Body()], request: Request, database: DatabaseDependency
) -> Response:
    """Claim tasks, each until its timeout_seconds are over; enters the worker, if it is new.

    Answers as soon as there is something. Claim by one request at a time.
    """
    claimer = _Claimer(order, request)
    ends_at = time.monotonic() + order.wait
    pause = FIRST_PAUSE_SECONDS
    claimed = await claimer.claim(database)
    while not claimed and (left := ends_at - time.monotonic()) > 0:
        await asyncio.sleep(min(left, pause * random.uniform(0.5, 1)))  # noqa: S311  # no secret
        if await request.is_disconnected():
            break
        claimed = await claimer.claim(database)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    return _json([_shown(task) for task in claimed])


class _Claimer:
    """Claims for one request, which may take several looks."""

    def __init__(self, order: ClaimOrder, request: Request) -> None:
        self._order = order
        self._queues = _choice(tuple(order.queues))
        self._backoff: Backoff = request.app.state.backoff
        self._aging_seconds: float | None = request.app.state.aging_seconds
        self._description = WorkerDescription(
            host=order.host or (request.client.host if request.client else "unknown"),
            pid=order.pid,
            version=order.version,
            queues=order.queues,
            task_types=order.task_types,
            slots=order.slots,
        )
        self._is_entered = False

    async def claim(self, database: Database) -> Sequence[Claimed]:
        """Look once, and return what was claimed and can be run."""
        try:
            claimed = await database.write(self._claim)
        except ClaimShortError:  # rolled back; the next look finds the tasks again
            return ()
        self._is_entered = True
        note_started([(task.queue, task.available_at, task.started_at) for task in claimed])
        if not self._order.task_types:
            return claimed
        known = [task for task in claimed if task.task_type in self._order.task_types]
        unknown = [task for task in claimed if task.task_type not in self._order.task_types]
        if unknown:
            await database.write(lambda connection: self._give_back(connection, unknown))
        return known

    def _claim(self, connection: Connection) -> list[Claimed]:
        worker_id = self._order.worker_id
        if not self._is_entered:
            workers.register(connection, worker_id, self._description)
        _beat(connection, worker_id)
        if not self._is_entered and self._order.holding is not None:
            known = {lease.hold for lease in self._order.holding}
            forgotten = sorted(holding.held_by(connection, worker_id) - known)
            leases.release_unknown(
                connection, worker_id=worker_id, holds=forgotten, backoff=self._backoff
            )
        hints = ScanHints(self._aging_seconds)
        if not claims.has_claimable(connection, hints):
            return []
        entered = gates.enter(connection, self._queues.ordered)
        return claims.claim(
            connection, worker_id, gates=entered, slots=self._order.slots, hints=hints
        )

    def _give_back(self, connection: Connection, tasks: Sequence[Claimed]) -> None:
        ends = {
            (task.id, task.fence): Released(
                UNKNOWN_SECONDS,
                Failure("UnknownTaskType", f'the worker has no handler for "{task.task_type}"'),
            )
            for task in tasks
        }
        settling.settle_by_fences(connection, self._order.worker_id, ends, self._backoff)


@router.post(
    "/heartbeats",
    response_model=list[Ended],
    responses=problems(400, 409, 413, 415, 422, 503),
)
async def beat(heartbeat: Annotated[Heartbeat, Body()], database: DatabaseDependency) -> Response:
    """Say that a worker lives, once a second, and what it runs; the answer says what to end.

    A worker that is silent for WORKER_DEAD_SECONDS is called dead, and its tasks run elsewhere.
    """

    def work(connection: Connection) -> tuple[set[Hold], set[Hold]]:
        _beat(connection, heartbeat.worker_id)
        if heartbeat.status == "draining":
            workers.drain(connection, heartbeat.worker_id)
        reports = {each.hold: told for each in heartbeat.tasks if (told := each.progress())}
        holding.report(connection, reports)
        for each in heartbeat.tasks:
            checkpoint = each.saved()
            if checkpoint is not None:
                holding.save(connection, each.hold, checkpoint)
        found = holding.check(connection, [each.hold for each in heartbeat.tasks])
        if heartbeat.status == "stopped":
            workers.leave(connection, heartbeat.worker_id)
        return found

    lost, stopping = await database.write(work)
    reasons = dict.fromkeys(lost, "lost") | dict.fromkeys(stopping, "stopped")
    return _json(
        [
            {"id": id_, "fence": fence, "reason": reasons[id_, fence]}
            for id_, fence in sorted(reasons)
        ]
    )


@router.post(
    "/settlements",
    response_model=list[Settled],
    responses=problems(400, 409, 413, 415, 422, 503),
)
async def settle_tasks(
    settlements: Annotated[Settlements, Body()], request: Request, database: DatabaseDependency
) -> Response:
    """Write how attempts ended, in a body of up to 8 MiB, and say for each whether it was taken.

    An end whose lease was lost changes nothing. Sent again, what was taken is taken. Where a task
    to be created has a unique_key that is taken, none is settled: 409.
    """
    for each in settlements.settlements:
        for creation in each.enqueue:
            require_callable(request, creation.callback_url)
    ends = {each.hold: each.end() for each in reversed(settlements.settlements)}

    def work(connection: Connection) -> set[Hold]:
        backoff: Backoff = request.app.state.backoff
        try:
            return settling.settle_by_fences(connection, settlements.worker_id, ends, backoff)
        except UniqueKeyTakenError as error:
            raise key_taken(error.task_id) from None

    lost = await database.write(work)
    return _json(
        [
            {"id": each.id, "fence": each.fence, "answer": "lost" if each.hold in lost else "taken"}
            for each in settlements.settlements
        ]
    )


def _beat(connection: Connection, worker_id: str) -> None:
    if not workers.beat(connection, worker_id):
        raise Problem(409, "worker_gone", values={"worker_id": worker_id})


_COPIED = tuple(name for name in ClaimedTask.model_fields if name in Claimed._fields)


def _shown(task: Claimed) -> dict[str, Any]:
    return {
        **{name: getattr(task, name) for name in _COPIED},
        "lease_expires_at": task.started_at + timedelta(seconds=task.timeout_seconds),
        "payload": decode(task.payload),
        "checkpoint": decode(task.checkpoint),
    }


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content, option=OPTIONS), media_type="application/json")
