"""Tasks as they ought to behave, in memory: one thread, no database, no clock but its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SECOND = 1_000_000_000
"""Moments are integers. Each step takes a little time, far less than a second in all."""

MOMENT = 1_000

Place = float | Literal["first", "last"]
WAITING = ("to_do", "retrying")
LIVE = ("to_do", "in_progress", "paused", "retrying")
SOURCES: Mapping[str, tuple[str, ...]] = {
    "start": ("paused", "failed", "cancelled"),
    "stop": ("to_do", "retrying", "in_progress"),
    "pause": WAITING,
    "resume": ("paused",),
    "reorder": ("to_do", "retrying", "paused"),
    "delete": (*LIVE, "done", "failed", "cancelled"),
}


class Lease(NamedTuple):
    """What a claim gives."""

    task_id: int
    fence: int
    attempt: int


@dataclass
class ModelTask:
    """A task."""

    id: int
    queue: str
    rank: int
    retry_limit: int
    unique_key: str | None
    status: str
    created: int
    due: int
    lease_seconds: int
    retries: int = 0
    crashes: int = 0
    snoozes: int = 0
    losses: int = 0
    fence: int = 0
    version: int = 1
    worker: str | None = None
    lease_end: int = 0
    stop_asked: int | None = None
    is_deleted: bool = False
    checkpoint_fence: int | None = None

    def wait(self) -> None:
        self.status = "retrying" if self.retries else "to_do"

    def retry(self, now: int, limit: int) -> None:
        if self.retries >= limit:
            self.status = "failed"
            return
        self.status, self.due = "retrying", now
        self.retries += 1

    def seen(self) -> tuple[Any, ...]:
        """Return what the database must show of it."""
        counters = (self.retries, self.crashes, self.snoozes, self.losses)
        asked = (self.stop_asked is not None, self.is_deleted)
        return (self.id, self.status, self.fence, self.version, self.worker, *counters, *asked)


@dataclass
class Model:
    """All tasks, and how each of their attempts ended: by whom and as what."""

    now: int = 0
    tasks: dict[int, ModelTask] = field(default_factory=dict)
    attempts: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    settled: set[Lease] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def pass_time(self, seconds: int) -> None:
        self.now += seconds * SECOND

    def holder(self, key: str | None) -> int | None:
        live = (task for task in self.tasks.values() if task.status in LIVE and not task.is_deleted)
        return next((task.id for task in live if key and task.unique_key == key), None)

    def add(self, task: ModelTask) -> None:
        task.created = task.due = self.now
        self.tasks[task.id] = task

    def claim(self, worker: str, queues: Sequence[str], slots: int) -> list[Lease]:
        due = [t for t in self.tasks.values() if t.status in WAITING and t.due <= self.now]
        due = [task for task in due if task.queue in queues]
        due.sort(key=lambda task: (task.rank, queues.index(task.queue), task.due, task.id))
        return [self._lease(task, worker) for task in due[:slots]]

    def _lease(self, task: ModelTask, worker: str) -> Lease:
        task.status, task.worker = "in_progress", worker
        task.fence += 1
        task.version += 1
        task.lease_end = self.now + task.lease_seconds * SECOND
        return Lease(task.id, task.fence, task.retries + 1)

    def settle(self, lease: Lease, end: str, seconds: int = 0) -> bool:
        """End an attempt as its worker does; whether that is taken."""
        task = self.held(lease)
        if task is None:
            return lease in self.settled
        self.settled.add(lease)
        self._end(task, end, seconds)
        return True

    def held(self, lease: Lease) -> ModelTask | None:
        task = self.tasks.get(lease.task_id)
        is_held = task and task.status == "in_progress" and task.fence == lease.fence
        return task if is_held else None

    def _end(self, task: ModelTask, end: str, seconds: int = 0) -> None:
        word = {"for good": "failed", "taken over": "lost", "delayed": "released"}.get(end, end)
        number = task.retries + 1
        was_stopped = task.stop_asked is not None and end != "succeeded"
        if was_stopped and word != "lost":
            word = "cancelled"
        self.attempts[task.id, task.fence] = (number, word)
        task.worker = task.stop_asked = None
        task.version += 1
        if task.is_deleted:
            del self.tasks[task.id]
        elif was_stopped or end == "cancelled":
            task.status = "cancelled"
        else:
            self._leave(task, end, seconds)

    def _leave(self, task: ModelTask, end: str, seconds: int) -> None:
        match end:
            case "succeeded":
                task.status = "done"
            case "for good":
                task.status = "failed"
            case "failed" | "timed_out" | "lost":
                task.retry(self.now, task.retry_limit)
            case "crashed":
                task.crashes += 1
                task.retry(self.now, task.retry_limit if task.crashes < 3 else 0)
            case "held":
                task.status = "paused"
            case _:
                task.losses += end == "taken over"
                task.snoozes += end == "snoozed"
                if end in {"snoozed", "delayed"}:
                    task.due = self.now + seconds * SECOND
                task.wait()

    def save(self, lease: Lease) -> bool:
        task = self.held(lease)
        if task is None:
            return False
        task.checkpoint_fence = task.fence
        task.version += 1
        return True

    def expire(self) -> int:
        """Take back leases that are over, or whose workers are gone.

        What ended alike, by one worker's death or by the time, is due again at one moment.
        """
        running = (task for task in self.tasks.values() if task.status == "in_progress")
        gone = [task for task in running if task.lease_end <= self.now or task.worker in self.gone]
        moments: dict[str | None, int] = {}
        began = self.now
        for task in sorted(gone, key=lambda each: each.id):
            end = self._expired_as(task, began)
            alike = None if end == "timed_out" else task.worker
            if end != "taken over" and task.stop_asked is None:
                moments.setdefault(alike, began + len(moments) + 1)
            self.now = moments.get(alike, began)
            self._end(task, end)
        self.now = began + len(moments)
        return len(gone)

    def _expired_as(self, task: ModelTask, now: int) -> str:
        if task.lease_end <= now:
            return "timed_out"
        resumable = task.checkpoint_fence == task.fence and task.losses < 10
        return "taken over" if resumable else "lost"

    def cancel(self, grace_seconds: int) -> int:
        """End stops that nobody heeded."""
        since = self.now - grace_seconds * SECOND
        late = [t for t in self.tasks.values() if t.stop_asked is not None]
        late = [task for task in late if (task.stop_asked or 0) <= since]
        for task in late:
            self._end(task, "cancelled")
        return len(late)

    def verb(self, verb: str, ids: Sequence[int], place: Place = 0) -> list[str]:
        """Do what a person asks of several tasks, in their order."""
        found = {i: t for i in ids if (t := self.tasks.get(i)) and not t.is_deleted}
        answers = {task_id: _judge(verb, found.get(task_id)) for task_id in ids}
        if verb == "start":
            self._refuse_taken_keys(answers, found.values())
        taken = [found[task_id] for task_id, answer in answers.items() if answer == "done"]
        for task in reversed(taken) if place == "first" else taken:
            task.version += 1
            self._do(verb, task, place)
        return [answers[task_id] for task_id in ids]

    def _refuse_taken_keys(self, answers: dict[int, str], tasks: Iterable[ModelTask]) -> None:
        keys = {task.id: task.unique_key for task in tasks}
        holders = {key: self.holder(key) for key in keys.values() if key}
        for task_id, answer in answers.items():
            key = keys.get(task_id)
            if answer == "done" and key:
                holders[key] = holders[key] or task_id
                if holders[key] != task_id:
                    answers[task_id] = "key_taken"

    def _do(self, verb: str, task: ModelTask, place: Place) -> None:
        is_running = task.status == "in_progress"
        match verb:
            case "start":
                task.status, task.due, task.checkpoint_fence = "to_do", task.created, None
                task.retries = task.crashes = task.snoozes = task.losses = 0
            case "stop" | "delete" if is_running:
                task.stop_asked = self.now if task.stop_asked is None else task.stop_asked
                task.is_deleted = verb == "delete"
            case "stop":
                task.status = "cancelled"
            case "pause":
                task.status = "paused"
            case "resume":
                task.wait()
            case "reorder":
                task.due = self._placed(task, place)
            case _:
                del self.tasks[task.id]

    def _placed(self, task: ModelTask, place: Place) -> int:
        if place == "last":
            return self.now
        if place != "first":
            return task.due + int(place * SECOND)
        line = [
            other.due
            for other in self.tasks.values()
            if other.status in WAITING and (other.queue, other.rank) == (task.queue, task.rank)
        ]
        return min([*line, self.now]) - 1

    def seen(self) -> list[tuple[Any, ...]]:
        return [self.tasks[task_id].seen() for task_id in sorted(self.tasks)]


def _judge(verb: str, task: ModelTask | None) -> str:
    if task is None:
        return "missing"
    goals = {"stop": ("cancelled",), "pause": ("paused",), "resume": WAITING}
    if task.status in goals.get(verb, ()) or (verb == "stop" and task.stop_asked is not None):
        return "holds_already"
    return "done" if task.status in SOURCES[verb] else "refused"
