"""The whole system under load while one thing fails again and again; then the proof.

Each says which rows of docs/reliability.md it is. What fails when is chosen by the seed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.servers import default_database
from tools.soak.faults import QUICK
from tools.soak.run import Plan, soak
from tools.soak.stand import Crew, Stand, stand

SEED = int(os.environ.get("ROWLEASE_SEED", "1"))
NEVER = 1e9


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The whole system on servers of its own; what one test leaves is checked with the next."""
    kind = os.environ.get("ROWLEASE_TEST_DB") or default_database()
    folder = tmp_path_factory.mktemp("stand")
    with stand("mysql" if kind == "mysql" else "mariadb", folder, Crew(workers=2)) as running:
        yield running


def check(place: Stand, plan: Plan) -> None:
    figures = soak(place, plan)
    assert figures["violations"] == 0, Path(figures["report"]).read_text()
    assert figures["unfinished"] == 0
    assert figures["errors logged"] == {}
    assert figures["faults"] > 0
    assert figures["promised"] > 20


def test_nothing_is_lost_whatever_fails(place: Stand) -> None:
    """A quick share of all the others."""
    check(place, Plan(6, SEED, 30, 2, 1.5, NEVER, warm_seconds=1))


@pytest.mark.slow
@pytest.mark.parametrize("fault", list(QUICK))
def test_nothing_is_lost_when_one_thing_fails_again_and_again(place: Stand, fault: str) -> None:
    seed = SEED + 1 + list(QUICK).index(fault)
    plan = Plan(10, seed, 40, 2, quick_seconds=1, server_seconds=NEVER, faults=[fault])
    check(place, plan)


@pytest.mark.slow
def test_nothing_is_lost_when_the_server_fails_ten_times(place: Stand) -> None:
    """Killed, restarted, frozen."""
    check(place, Plan(60, SEED + 100, 40, 2, quick_seconds=NEVER, server_seconds=5.5))


@pytest.mark.slow
def test_a_hundred_frozen_workers_write_nothing_stale(place: Stand) -> None:
    faults = ["freeze a worker"]
    check(place, Plan(105, SEED + 101, 40, 2, 1, NEVER, faults=faults))
