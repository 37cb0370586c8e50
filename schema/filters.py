"""Which tasks are meant: a filter as a value, and as conditions of a statement."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from schema.reserved import CALLBACK_QUEUE
from schema.states import FINISHED, STATUSES_OF, Stage, State, Status
from schema.times import to_database

NOTHING = "FALSE"
"""The condition that no task meets."""

NO_CALLBACK = f"tasks.queue <> '{CALLBACK_QUEUE}'"

_COLUMNS = (
    "priority",
    "queue",
    "task_type",
    "account_id",
    "schedule_id",
    "batch_id",
    "callback_of",
    "error_class",
)
_MOMENTS = ("created_after", "created_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks: those that match all fields. Several values of a field mean any of them.

    `state` takes the words of `states.STATUSES_OF`. `q` in digits is an id, else what the title
    begins with. Tasks were created at `created_after` or later, and before `created_before`.
    `overdue`: whether the due_date has passed and the task is not finished; None: either.
    Callbacks are left out unless their queue is named, or by `callback_of` the tasks that they are
    of.
    """

    status: Sequence[str] = ()
    state: Sequence[str] = ()
    priority: Sequence[str] = ()
    queue: Sequence[str] = ()
    task_type: Sequence[str] = ()
    account_id: Sequence[str] = ()
    schedule_id: Sequence[int] = ()
    batch_id: Sequence[int] = ()
    callback_of: Sequence[int] = ()
    error_class: Sequence[str] = ()
    tag: Sequence[str] = ()
    tag_match: Literal["any", "all"] = "any"
    q: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    overdue: bool | None = None

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> "TaskFilter":
        """Return the filter that `words` returned these for."""
        moments = {name: datetime.fromisoformat(words[name]) for name in _MOMENTS if name in words}
        return cls(**{**words, **moments})

    def words(self) -> dict[str, Any]:
        """Return the fields that say something, as JSON keeps them; empty: all tasks match."""
        said: dict[str, Any] = {
            name: value for name, value in asdict(self).items() if value or value is False
        }
        said |= {name: said[name].isoformat() for name in _MOMENTS if name in said}
        return said if self.tag else {name: said[name] for name in said if name != "tag_match"}

    def statuses(self) -> Sequence[str] | None:
        """Return the statuses that `status` and `state` leave; None: they leave all."""
        if not self.status and not self.state:
            return None
        of_state = {each for word in self.state or STATUSES_OF for each in STATUSES_OF[word]}
        return sorted(of_state & {Status(each) for each in self.status or Status})

    @property
    def queues(self) -> Sequence[str]:
        """The queues that are asked for; none: all but that of the callbacks."""
        return self.queue or ((CALLBACK_QUEUE,) if self.callback_of else ())

    @property
    def task_id(self) -> int | None:
        """The id that `q` is, if it is one."""
        return int(self.q) if self.q and self.q.isascii() and self.q.isdigit() else None


class Condition(NamedTuple):
    """A condition on `tasks`, from a field of the filter: its text, and its parameters."""

    field: str
    text: str
    values: tuple[Any, ...] = ()


def conditions(wanted: TaskFilter) -> list[Condition]:
    """Return what a filter says, field by field; nothing for a field that says nothing."""
    found = [_any_of(name, values) for name in _COLUMNS if (values := getattr(wanted, name))]
    statuses = wanted.statuses()
    if statuses is not None:
        found.append(_any_of("status", statuses))
    if not wanted.queues:
        found.append(Condition("callbacks", NO_CALLBACK))
    return [*found, *_staged(wanted), *_tagged(wanted), *_searched(wanted), *_timed(wanted)]


def _any_of(column: str, values: Sequence[Any]) -> Condition:
    if not values:
        return Condition(column, NOTHING)
    text = f"tasks.{column} IN ({','.join(['%s'] * len(values))})"
    return Condition(column, text, tuple(values))


def _staged(wanted: TaskFilter) -> Iterator[Condition]:
    """Tell QUEUED and RUNNING apart, which are one status."""
    in_progress = set(wanted.state) & {State.QUEUED, State.RUNNING, "running"}
    is_queued = f"tasks.stage <=> '{Stage.QUEUED}'"
    if in_progress == {State.QUEUED}:
        yield Condition("stage", f"(tasks.status <> '{Status.IN_PROGRESS}' OR {is_queued})")
    elif in_progress == {State.RUNNING}:
        yield Condition("stage", f"NOT {is_queued}")


def _tagged(wanted: TaskFilter) -> Iterator[Condition]:
    groups = [[name] for name in wanted.tag] if wanted.tag_match == "all" else [wanted.tag]
    for names in groups if wanted.tag else ():
        marks = ",".join(["%s"] * len(names))
        text = f"""EXISTS (SELECT 1 FROM task_tags JOIN tags ON tags.id = task_tags.tag_id
            WHERE task_tags.task_id = tasks.id AND tags.name IN ({marks}))"""
        yield Condition("tag", text, tuple(names))


def _searched(wanted: TaskFilter) -> Iterator[Condition]:
    if wanted.task_id is not None:
        yield Condition("id", "tasks.id = %s", (wanted.task_id,))
    elif wanted.q:
        yield Condition("title", "tasks.title LIKE %s", (f"{_literally(wanted.q)}%",))


def _literally(text: str) -> str:
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return text


def _timed(wanted: TaskFilter) -> Iterator[Condition]:
    if wanted.created_after is not None:
        moment = to_database(wanted.created_after)
        yield Condition("created_at", "tasks.created_at >= %s", (moment,))
    if wanted.created_before is not None:
        moment = to_database(wanted.created_before)
        yield Condition("created_at", "tasks.created_at < %s", (moment,))
    if wanted.overdue is not None:
        finished = ",".join(sorted(f"'{each}'" for each in FINISHED))
        yield Condition(
            "due_date",
            f"""(COALESCE(tasks.due_date < UTC_TIMESTAMP(6), 0)
            AND tasks.status NOT IN ({finished})) = {int(wanted.overdue)}""",
        )
