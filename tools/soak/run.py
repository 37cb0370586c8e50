"""A soak: load, faults, and in the end the proof that nothing was lost or done twice."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.faults.checker import check, report
from tools.faults.evidence import gather
from tools.soak.faults import QUICK, Faults
from tools.soak.load import Client, resume_all
from tools.soak.sampling import Sampler, errors, recoveries
from tools.soak.stand import Stand, System

TICK_SECONDS = 0.05
SAMPLE_SECONDS = 5.0
WARM_SECONDS = 5.0
START_SECONDS = 60.0
END_SECONDS = 900.0

_UNFINISHED = """SELECT COUNT(*) FROM tasks
WHERE status IN ('to_do', 'in_progress', 'retrying', 'paused')"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much, and how often something fails."""

    seconds: float
    seed: int
    rate: float = 60
    clients: int = 4
    quick_seconds: float = 3
    server_seconds: float = 180
    warm_seconds: float = WARM_SECONDS
    faults: Sequence[str] = tuple(QUICK)


def soak(place: Stand, plan: Plan) -> dict[str, Any]:
    """Carry out a plan and return its figures; `violations` is what was broken."""
    clients = [
        Client(place, f"c{plan.seed}-{number}", plan.seed, plan.rate / plan.clients)
        for number in range(plan.clients)
    ]
    faults = Faults(place, plan.seed, list(plan.faults))
    for client in clients:
        client.start()
    try:
        _wait_until_at_work(clients)
        with (place.folder / "samples.jsonl").open("a") as output:
            _disturb(plan, faults, Sampler(place, output))
    finally:
        faults.close()
        for client in clients:
            client.stop()
    place.engine.dispose()  # faults have ended sessions
    resume_all(place)
    left = wait_until_all_ended(place)
    evidence = gather(place.engine, place.acks, place.effects)
    broken = check(evidence)
    shares = recoveries(place, faults.server_faults)
    (place.folder / "report.txt").write_text(report(evidence, broken))
    return {
        "seed": plan.seed,
        "tasks": len(evidence.tasks),
        "attempts": sum(len(each) for each in evidence.attempts.values()),
        "promised": sum(client.created for client in clients),
        "refused": sum(client.refused for client in clients),
        "faults": faults.count,
        "unfinished": left,
        "throughput after faults of the server": shares,
        "restarts": {each.name: each.starts - 1 for each in place.keeper.processes},
        "errors logged": dict(errors(place.folder)),
        "violations": len(broken),
        "report": str(place.folder / "report.txt"),
    }


def _wait_until_at_work(clients: Sequence[Client]) -> None:
    """Wait until tasks are created: what fails before that proves nothing."""
    end = time.monotonic() + START_SECONDS
    while not all(client.created for client in clients) and time.monotonic() < end:
        time.sleep(TICK_SECONDS)


def _disturb(plan: Plan, faults: Faults, sampler: Sampler) -> None:
    now = time.monotonic()
    end = now + plan.seconds
    quick, server, sample = now + plan.warm_seconds, now + plan.server_seconds, now
    while (now := time.monotonic()) < end:
        faults.tick()
        if now >= sample:
            sampler.take()
            sample += SAMPLE_SECONDS
        if now >= server:
            faults.inject_in_server()
            server += plan.server_seconds
        elif now >= quick:
            faults.inject()
            quick += plan.quick_seconds
        time.sleep(TICK_SECONDS)


def wait_until_all_ended(place: System) -> int:
    """Wait until no task waits or runs; return how many still do when the patience is over."""
    end = time.monotonic() + END_SECONDS
    while True:
        with place.engine.connect() as connection:
            left = int(connection.exec_driver_sql(_UNFINISHED).scalar_one())
        if left == 0 or time.monotonic() > end:
            return left
        time.sleep(0.5)
