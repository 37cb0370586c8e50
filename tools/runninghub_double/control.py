"""Routes below /double that tell the double what to do: RunningHub has nothing like them."""

from dataclasses import replace
from typing import Any, cast

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from tools.runninghub_double import webhooks
from tools.runninghub_double.double import Double
from tools.runninghub_double.faults import Fault, How
from tools.runninghub_double.runs import End

router = APIRouter(prefix="/double")


class Step(BaseModel):
    """By how much the clock moves on."""

    seconds: float


class Behaviour(BaseModel):
    """How runs go from now on; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    queue_seconds: float | None = None
    run_seconds: float | None = None
    end: End | None = None
    full_code: int | None = None


class Misbehaviour(BaseModel):
    """What goes wrong with the next calls: see `faults`."""

    model_config = ConfigDict(extra="forbid")

    call: str
    how: How
    value: int = 0
    times: int = 1
    done: bool = False


class Webhook(BaseModel):
    """Of which run a webhook is sent now, whatever it is at."""

    run: str


def _double(request: Request) -> Double:
    return cast("Double", request.app.state.double)


@router.get("")
async def look(request: Request) -> dict[str, Any]:
    """Return what there is: runs, the oldest first, and what is held back."""
    double = _double(request)
    now = double.clock.now()
    return {
        "now": now,
        "runs": [run.told(now) for run in double.runs.values()],
        "uploads": sum(len(account.uploads) for account in double.accounts.values()),
        "calls": dict(double.calls),
        "held": {call: count for call, count in double.faults.held.items() if count},
    }


@router.post("/clock")
async def move(step: Step, request: Request) -> None:
    """Move the clock on."""
    _double(request).clock.advance(step.seconds)


@router.post("/runs")
async def behave(behaviour: Behaviour, request: Request) -> None:
    """Say how runs go that are created from now on."""
    double = _double(request)
    given = behaviour.model_dump(exclude_none=True)
    double.full_code = given.pop("full_code", double.full_code)
    double.script = replace(double.script, **given)


@router.post("/webhooks")
async def send_webhook(webhook: Webhook, request: Request) -> dict[str, int | None]:
    """Send a webhook, and return what it was answered with."""
    double = _double(request)
    return {"status": await webhooks.send(double, double.runs[webhook.run])}


@router.post("/faults")
async def misbehave(misbehaviour: Misbehaviour, request: Request) -> None:
    """Let the next calls of a kind go wrong."""
    _double(request).faults.waiting.append(Fault(**misbehaviour.model_dump()))


@router.delete("/faults")
async def free(request: Request) -> None:
    """Let nothing go wrong any more, and what is held back go on."""
    faults = _double(request).faults
    faults.waiting.clear()
    faults.free()
