"""The states of a task, and the one table of moves between them.

WHERE clauses, refusals, `allowed_actions`, the dashboard's buttons and the tests derive from
`MOVES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Where a task stands; the words of the requirement, stored as they are.

    - to_do: waits for its first attempt, or begins anew
    - in_progress: a worker has it
    - done: ended well
    - paused: waits for a person
    - retrying: waits for another attempt
    - failed: ended badly, with no attempt left
    - cancelled: stopped by a person
    """

    TO_DO = "to_do"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    PAUSED = "paused"
    RETRYING = "retrying"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Priority(StrEnum):
    """How soon a task is claimed, in its queue; members in the order of rank and index.

    - 高: high
    - 中: medium
    - 低: low
    """

    HIGH = "高"
    MEDIUM = "中"
    LOW = "低"


class Stage(StrEnum):
    """What a handler reports of a remote system while the task is in progress.

    - QUEUED: it waits there
    - RUNNING: it runs there
    """

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"


class State(StrEnum):
    """The requirement documents' word for how a task stands, shown beside `status`.

    - READY: paused
    - PENDING: to_do or retrying
    - QUEUED: in_progress, at stage QUEUED
    - RUNNING: in_progress otherwise
    - SUCCESS: done
    - FAILED: failed
    - STOPPED: cancelled
    """

    READY = "READY"
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


class AttemptOutcome(StrEnum):
    """How one attempt ended.

    - succeeded: well
    - failed: its handler raised an error
    - timed_out: its time was over
    - lost: its worker died
    - crashed: its process died
    - cancelled: a person stopped or deleted the task
    - snoozed: its handler asked to go on later
    - held: its handler asked for a person
    - released: its worker gave it back
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    HELD = "held"
    RELEASED = "released"


class Verb(StrEnum):
    """Everything that may change a task's status."""

    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    FAIL_FOR_GOOD = "fail_for_good"
    SNOOZE = "snooze"
    RELEASE = "release"
    HOLD = "hold"
    EXPIRE = "expire"
    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    REORDER = "reorder"
    DELETE = "delete"


class Actor(StrEnum):
    """Who makes a move. Machines prove a lease by its fence; people only name the task."""

    WORKER = "worker"
    REAPER = "reaper"
    OPERATOR = "operator"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table: who may make it, from where, to where.

    An empty `targets` means that the status stays as it is or the row goes.
    """

    by: Actor
    sources: frozenset[Status]
    targets: frozenset[Status] = frozenset()


ANY = frozenset(Status)
WAITING = frozenset({Status.TO_DO, Status.RETRYING})
RUNNING = frozenset({Status.IN_PROGRESS})
FINISHED = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
PAUSED = frozenset({Status.PAUSED})

MOVES: Mapping[Verb, Move] = {
    Verb.CLAIM: Move(Actor.WORKER, WAITING, RUNNING),
    Verb.SUCCEED: Move(Actor.WORKER, RUNNING, frozenset({Status.DONE})),
    Verb.FAIL: Move(
        Actor.WORKER, RUNNING, frozenset({Status.RETRYING, Status.FAILED, Status.CANCELLED})
    ),
    Verb.FAIL_FOR_GOOD: Move(Actor.WORKER, RUNNING, frozenset({Status.FAILED, Status.CANCELLED})),
    Verb.SNOOZE: Move(Actor.WORKER, RUNNING, WAITING | {Status.CANCELLED}),
    Verb.RELEASE: Move(Actor.WORKER, RUNNING, WAITING | {Status.CANCELLED}),
    Verb.HOLD: Move(Actor.WORKER, RUNNING, PAUSED | {Status.CANCELLED}),
    Verb.EXPIRE: Move(Actor.REAPER, RUNNING, WAITING | {Status.FAILED, Status.CANCELLED}),
    Verb.START: Move(
        Actor.OPERATOR,
        frozenset({Status.PAUSED, Status.FAILED, Status.CANCELLED}),
        frozenset({Status.TO_DO}),
    ),
    Verb.STOP: Move(Actor.OPERATOR, WAITING | RUNNING, frozenset({Status.CANCELLED})),
    Verb.PAUSE: Move(Actor.OPERATOR, WAITING, PAUSED),
    Verb.RESUME: Move(Actor.OPERATOR, PAUSED, WAITING),
    Verb.REORDER: Move(Actor.OPERATOR, WAITING | PAUSED),
    Verb.DELETE: Move(Actor.CLIENT, ANY),
}


PEOPLE = (Verb.START, Verb.STOP, Verb.PAUSE, Verb.RESUME, Verb.REORDER)
"""What people may do, in the order in which `allowed_actions` names it, before delete."""


def allowed_actions(status: str, *, stopping: bool) -> list[str]:
    """Return the verbs that a task's state allows; one that is being stopped allows delete."""
    allowed = [
        str(verb)
        for verb in PEOPLE
        if Status(status) in MOVES[verb].sources and MOVES[verb].by is Actor.OPERATOR
    ]
    return ["delete"] if stopping else [*allowed, "delete"]


def state_of(status: str, stage: str | None) -> State:
    """Return the requirement documents' word for a task with this status and stage."""
    match Status(status):
        case Status.PAUSED:
            return State.READY
        case Status.TO_DO | Status.RETRYING:
            return State.PENDING
        case Status.IN_PROGRESS:
            return State.QUEUED if stage == Stage.QUEUED else State.RUNNING
        case Status.DONE:
            return State.SUCCESS
        case Status.FAILED:
            return State.FAILED
        case Status.CANCELLED:
            return State.STOPPED


def _statuses_of(state: State) -> frozenset[Status]:
    return frozenset(
        status for status in Status for stage in (None, *Stage) if state_of(status, stage) is state
    )


STATUSES_OF: Mapping[str, frozenset[Status]] = {
    **{str(state): _statuses_of(state) for state in State},
    "pending": WAITING,
    "running": RUNNING,
    "paused": PAUSED,
    "completed": frozenset({Status.DONE}),
    "error": frozenset({Status.FAILED}),
}
"""What a list may be asked for by `state`: the words of `State`, and the dispatcher document's in
small letters. QUEUED and RUNNING share a status, and differ by the stage."""
