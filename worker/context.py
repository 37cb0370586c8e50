"""What a handler may know about the attempt that it runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schema.attempts import Claimed
from schema.times import from_database


@dataclass(frozen=True, slots=True)
class Context:
    """The attempt under way.

    `attempt` is 1 for the first and grows with each retry. `fence` grows with each claim: give
    it to outside systems as the proof of which attempt wrote last. `deadline` is the moment at
    which the lease is over and the handler is ended.
    """

    task_id: int
    title: str
    task_type: str
    queue: str
    tags: tuple[str, ...]
    account_id: str | None
    attempt: int
    fence: int
    deadline: datetime

    @classmethod
    def of(cls, claimed: Claimed) -> "Context":
        """Return the context of a claimed task."""
        lease = timedelta(seconds=claimed.timeout_seconds)
        return cls(
            task_id=claimed.id,
            title=claimed.title,
            task_type=claimed.task_type,
            queue=claimed.queue,
            tags=claimed.tags,
            account_id=claimed.account_id,
            attempt=claimed.attempt,
            fence=claimed.fence,
            deadline=from_database(claimed.started_at + lease),
        )
