"""What the checkpoint of a workflow says: how far it came."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from schema.runtime.runninghub.client import Account


class Step(StrEnum):
    """How far a workflow came."""

    NEW = "new"  # nothing was begun there
    CREATING = "creating"  # a run is about to be created, or it was: nobody knows
    ACCEPTED = "accepted"  # there is a run, and its number is known


@dataclass(frozen=True, slots=True)
class Record:
    """A checkpoint. `attempt` is the one that created the run, or was about to.

    `refusals` counts how often in a row RunningHub had no room or could not be reached.
    `running` and `balance` are the account's before the create; None: they are not known.
    """

    step: Step = Step.NEW
    attempt: int = 0
    refusals: int = 0
    run_id: str | None = None
    accepted_at: str | None = None
    running: int | None = None
    balance: tuple[str | None, ...] = ()

    @classmethod
    def read(cls, saved: Any) -> Self:
        """Return what was saved; a task that was not begun has nothing."""
        if not isinstance(saved, dict) or "step" not in saved:
            return cls()
        values = saved | {"step": Step(saved["step"]), "balance": tuple(saved["balance"])}
        return cls(**values)

    def saved(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    def refused(self) -> "Record":
        """Return it after nothing was created, once more."""
        return Record(refusals=self.refusals + 1)

    def asked_again(self) -> "Record":
        """Return it after the account could not be asked, once more."""
        return replace(self, refusals=self.refusals + 1)

    def creating(self, attempt: int, account: Account) -> "Record":
        """Return it with a run about to be created."""
        return replace(
            self,
            step=Step.CREATING,
            attempt=attempt,
            running=account.running,
            balance=account.balance,
        )

    def accepted(self, run_id: str) -> "Record":
        """Return it with a run that was created now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Record(Step.ACCEPTED, self.attempt, run_id=run_id, accepted_at=now)

    @property
    def run(self) -> str:
        """The number of the run that there is."""
        if self.run_id is None:
            raise AssertionError("there is no run")
        return self.run_id

    def age(self) -> timedelta:
        """Return how long ago the run was accepted."""
        if self.accepted_at is None:
            return timedelta()
        return datetime.now(UTC) - datetime.fromisoformat(self.accepted_at)

    def may_be_new(self, account: Account) -> bool:
        """Whether an account shows that no run was created since: none runs, nothing was paid.

        Where another run was under way before, or no balance is told, nothing can be concluded.
        """
        is_told = any(value is not None for value in account.balance)
        unchanged = account.balance == self.balance
        return self.running == account.running == 0 and is_told and unchanged
