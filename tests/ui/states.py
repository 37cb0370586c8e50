"""A task in each of the seven states."""

from sqlalchemy import Engine

from schema.states import Stage, State
from tests.rows import change, claim, fail, make, succeed

FINISHED = "finished_at = UTC_TIMESTAMP(6)"


def one_of_each(engine: Engine) -> dict[State, int]:
    """Make a task in each state, called as its state, and return their numbers."""
    made = {state: make(engine, title=f"is {state}", queue=state)[0] for state in State}
    running = {State.QUEUED, State.RUNNING, State.SUCCESS, State.FAILED}
    claimed = {state: claim(engine, queues=[state])[0] for state in sorted(running)}
    change(engine, made[State.QUEUED], f"stage = '{Stage.QUEUED}'")
    change(engine, made[State.RUNNING], "progress = 40")
    succeed(engine, claimed[State.SUCCESS])
    fail(engine, claimed[State.FAILED], for_good=True)
    change(engine, made[State.READY], "status = 'paused'")
    change(engine, made[State.STOPPED], f"status = 'cancelled', {FINISHED}")
    return made
