"""The proof that a run kept its promises, from what is left of it.

I1 what was acknowledged exists and ends. I2 one accepted success, and nothing after it. I3 fences
grow by one, and each ends in one attempt. I4 one lease at a time. I5 each start is explained: by a
free retry, a lease that was over, a worker that was gone. I6 no lease stays overdue. I7 only moves
of the table. I8 one task for a key. I9 no reader goes back. I10 no answer but the promised ones.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

from schema.states import FINISHED, MOVES, Status, Verb
from tools.faults.evidence import AttemptRow, Evidence, History

UNCOUNTED = frozenset({"released", "snoozed", "held"})
COUNTED = frozenset({"failed", "timed_out", "crashed"})
ENDS = {
    Status.DONE: frozenset({"succeeded"}),
    Status.FAILED: COUNTED | {"lost", "snoozed"},
    Status.CANCELLED: frozenset({"cancelled", "lost"}),
}
"""How the last attempt of a finished task may have ended."""


class Violation(NamedTuple):
    """A promise that was broken: which, by what task, and how."""

    invariant: str
    task_id: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What holds for a run besides the invariants.

    all_ended: it went on until nothing was left to do. overdue_seconds: how long a lease may be
    over before a reaper takes it back. slack_seconds: how far two times may be apart that were
    taken before and after a claim waited, or a server was frozen.
    """

    all_ended: bool = True
    overdue_seconds: float = 7.0
    slack_seconds: float = 15.0


Rule = Callable[[Evidence, History, Expected], Iterator[tuple[str, str]]]


def check(evidence: Evidence, expected: Expected | None = None) -> list[Violation]:
    """Return every broken promise, those of the lowest task first."""
    wanted = expected or Expected()
    broken = list(_of_the_run(evidence))
    for history in evidence.histories():
        for rule in RULES:
            found = rule(evidence, history, wanted)
            broken += [Violation(code, history.task_id, words) for code, words in found]
    return broken


def report(evidence: Evidence, broken: Sequence[Violation]) -> str:
    """Tell how many promises were broken, and the history of the first task that broke one."""
    counts = Counter(each.invariant for each in broken)
    lines = [f"{len(broken)} violations: {dict(sorted(counts.items()))}"]
    lines += [f"{each.invariant} task {each.task_id}: {each.message}" for each in broken[:20]]
    first = next((each.task_id for each in broken if each.task_id is not None), None)
    for history in evidence.histories() if first is not None else ():
        if history.task_id == first:
            lines += [f"history of task {first}:", *history.lines()]
    return "\n".join(lines)


def _of_the_run(evidence: Evidence) -> Iterator[Violation]:
    by_key: dict[str, set[int]] = defaultdict(set)
    for ack in evidence.acks:
        if ack.get("kind") == "broken":
            yield Violation(ack["invariant"], ack.get("id"), ack["message"])
        if ack.get("kind") == "created":
            by_key[ack["key"]].add(ack["id"])
    keys = {ack["key"] for ack in evidence.acks if ack.get("kind") == "asked"}
    for task in evidence.tasks.values():
        if task.title in keys:
            by_key[task.title].add(task.id)
    for key, ids in by_key.items():
        if len(ids) > 1:
            yield Violation("I8", min(ids), f"the key {key} made the tasks {sorted(ids)}")


def _is_kept(_: Evidence, history: History, expected: Expected) -> Iterator[tuple[str, str]]:
    was_deleted = any(event.verb == Verb.DELETE for event in history.events)
    if history.row is None:
        if not was_deleted:
            yield "I1", "it is gone, and nobody deleted it"
        return
    if was_deleted and not history.row.is_deleted:
        yield "I1", "it was deleted, and is there"
    if expected.all_ended and history.row.status not in FINISHED:
        yield "I1", f"it did not end: it is {history.row.status}"


def _succeeds_once(_: Evidence, history: History, __: Expected) -> Iterator[tuple[str, str]]:
    succeeded = [each.fence for each in history.attempts if each.outcome == "succeeded"]
    if len(succeeded) > 1:
        yield "I2", f"it succeeded under the fences {succeeded}"
    if succeeded and history.last_fence > succeeded[0]:
        yield "I2", f"it ran on under fence {history.last_fence} after its success"
    if succeeded and history.row and not history.row.is_deleted and history.row.status != "done":
        yield "I2", f"it succeeded, and is {history.row.status}"


def _fences_grow(_: Evidence, history: History, __: Expected) -> Iterator[tuple[str, str]]:
    row = history.row
    ended = [each.fence for each in history.attempts]
    is_running = row is not None and row.status == Status.IN_PROGRESS
    wanted = list(range(1, history.last_fence + (0 if is_running else 1)))
    if ended != wanted:
        yield "I3", f"attempts ended under the fences {ended}, not {wanted}"
    if row is not None and ended and max(ended) > row.fence:
        yield "I3", f"an attempt ended under fence {max(ended)}, the task has {row.fence}"
    for effect in history.effects:
        if effect.fence > history.last_fence:
            yield "I3", f"a handler ran under fence {effect.fence}, which was never given"


def _has_one_lease(_: Evidence, history: History, expected: Expected) -> Iterator[tuple[str, str]]:
    for fence, starts in Counter(effect.fence for effect in history.effects).items():
        if starts > 1:
            yield "I4", f"{starts} handlers ran under fence {fence}"
    slack = timedelta(seconds=expected.slack_seconds)
    for one, other in pairwise(history.attempts):
        if other.started_at < one.ended_at - slack:
            yield "I4", f"fence {other.fence} was given while {one.fence} was held"
    for each in history.attempts:
        if each.ended_at < each.started_at:
            yield "I4", f"the attempt of fence {each.fence} ended before it began"


def _starts_are_explained(
    evidence: Evidence, history: History, expected: Expected
) -> Iterator[tuple[str, str]]:
    restarts = sum(event.verb == Verb.START for event in history.events)
    if history.attempts and history.attempts[0].attempt != 1:
        yield "I5", f"its first attempt is number {history.attempts[0].attempt}"
    for one, other in pairwise(history.attempts):
        if other.attempt in _numbers_after(one):
            continue
        restarts -= 1
        if other.attempt != 1 or restarts < 0:
            yield "I5", f"attempt {other.attempt} came after {one.attempt}, which {one.outcome}"
    limit = history.row.retry_limit + 1 if history.row else None
    for each in history.attempts:
        if limit is not None and each.attempt > limit:
            yield "I5", f"attempt {each.attempt} of at most {limit}"
        yield from (("I5", words) for words in _ended_early(evidence, history, each, expected))


def _numbers_after(attempt: AttemptRow) -> Sequence[int]:
    """Return which numbers the next attempt may have, when nobody started the task anew."""
    if attempt.outcome in UNCOUNTED:
        return (attempt.attempt,)
    if attempt.outcome in COUNTED:
        return (attempt.attempt + 1,)
    return (attempt.attempt, attempt.attempt + 1) if attempt.outcome == "lost" else ()


def _ended_early(
    evidence: Evidence, history: History, attempt: AttemptRow, expected: Expected
) -> Iterator[str]:
    if attempt.outcome == "timed_out" and history.row is not None:
        ran = (attempt.ended_at - attempt.started_at).total_seconds()
        if ran < history.row.timeout_seconds - expected.slack_seconds:
            yield f"fence {attempt.fence} timed out after {ran} s of {history.row.timeout_seconds}"
    if attempt.outcome == "lost" and evidence.workers.get(attempt.worker_id) in {
        "alive",
        "draining",
    }:
        yield f"fence {attempt.fence} was lost, and its worker {attempt.worker_id} lives"


def _is_not_overdue(
    evidence: Evidence, history: History, expected: Expected
) -> Iterator[tuple[str, str]]:
    row = history.row
    if row is None or row.status != Status.IN_PROGRESS:
        return
    if row.overdue_seconds is not None and row.overdue_seconds > expected.overdue_seconds:
        yield "I6", f"its lease has been over for {row.overdue_seconds} s"
    if expected.all_ended and evidence.workers.get(row.worker_id or "") in {"stopped", "dead"}:
        yield "I6", f"its worker {row.worker_id} is gone"


def _moves_are_legal(_: Evidence, history: History, __: Expected) -> Iterator[tuple[str, str]]:
    for event in history.events:
        move = MOVES[Verb(event.verb)]
        if Status(event.from_status) not in move.sources:
            yield "I7", f"{event.verb} from {event.from_status}"
    row = history.row
    if row is None or row.is_deleted:
        return
    last = history.attempts[-1].outcome if history.attempts else None
    status = Status(row.status)
    # A stop or a restart between the last attempt and now may have changed what that left.
    if status in ENDS and last not in ENDS[status] and not _was_stopped(history, status):
        yield "I7", f"it is {status}, and its last attempt ended as {last}"


def _was_stopped(history: History, status: Status) -> bool:
    return status is Status.CANCELLED and any(
        event.verb == Verb.STOP and event.to_status == Status.CANCELLED for event in history.events
    )


def _effects_have_ends(_: Evidence, history: History, __: Expected) -> Iterator[tuple[str, str]]:
    began = {effect.fence for effect in history.effects}
    if not began:
        return
    for each in history.attempts:
        if each.outcome == "succeeded" and each.fence not in began:
            yield "I3", f"fence {each.fence} succeeded, and no handler ran under it"


RULES: Sequence[Rule] = (
    _is_kept,
    _succeeds_once,
    _fences_grow,
    _has_one_lease,
    _starts_are_explained,
    _is_not_overdue,
    _moves_are_legal,
    _effects_have_ends,
)
