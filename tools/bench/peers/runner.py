"""Taking the figures of all rows: ours, peer, ours, peer, so that ratios hold on any machine."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

from tools.bench.errors import BenchError
from tools.bench.figures import number
from tools.bench.peers import environments, stores
from tools.bench.peers.catalogue import OURS_ROWS, Row
from tools.bench.peers.environments import Environment
from tools.bench.peers.measures import BRIEF, MEASURES, Sizes, Subject
from tools.bench.peers.programs import Programs
from tools.bench.peers.records import Key, Records
from tools.bench.peers.stores import Stores
from tools.bench.runner import machine
from tools.servers import ServerError

ENVIRONMENTS = "peers"
FULL = tuple(MEASURES)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which rows are measured, how often, in which sizes, and where data and programs lie."""

    rows: Sequence[Row]
    runs: int
    sizes: Sizes
    folder: Path


@dataclass(frozen=True, slots=True)
class Turn:
    """A row at its place in a run, and what is taken of it there."""

    run: int
    row: Row
    measures: Sequence[str]
    beside: str = ""
    """The peer's row that ours is taken before."""

    def key(self, measure: str) -> Key:
        """Return what names the figures of a measure."""
        return self.run, self.beside, self.row.name, measure


def take_all(plan: Plan, records: Records) -> None:
    """Take all figures that are not there yet; what fails is noted, and the rest goes on."""
    ready = _environments(plan, records)
    records.write("conditions", {**machine(plan.folder), "sizes": asdict(plan.sizes)})
    with stores.opened(plan.folder) as opened:
        for turn in turns([row for row in plan.rows if row in ready], plan.runs):
            for measure in turn.measures:
                if not records.has(turn.key(measure)):
                    _take(turn, measure, ready[turn.row], opened, plan, records)
        records.write("stores", {"versions": opened.versions()})


def turns(rows: Sequence[Row], runs: int) -> Iterator[Turn]:
    """Yield who is measured when: one of ours before each peer, all of it the first time.

    Brief rows are compared with others of their peer, and come last.
    """
    for run in range(1, runs + 1):
        ours = cycle(OURS_ROWS)
        for at, row in enumerate(each for each in rows if not each.is_brief):
            measures = FULL if at < len(OURS_ROWS) else BRIEF
            yield Turn(run, next(ours), measures, beside=row.name)
            yield Turn(run, row, FULL)
        yield from (Turn(run, row, BRIEF) for row in rows if row.is_brief)


def _environments(plan: Plan, records: Records) -> dict[Row, Environment]:
    """Return the environments of those rows that can be had; note the reason for the others."""
    ready = {}
    for row in (*OURS_ROWS, *plan.rows):
        try:
            ready[row] = environments.ensure(row, plan.folder / ENVIRONMENTS)
        except BenchError as error:
            _fail(records, row, "install", str(error))
            continue
        records.write("versions", {"row": row.name, "versions": ready[row].versions})
    return ready


def _take(
    turn: Turn,
    measure: str,
    environment: Environment,
    opened: Stores,
    plan: Plan,
    records: Records,
) -> None:
    print(f"run {turn.run}: {measure} of {turn.row.name}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    try:
        with (
            opened.empty(turn.row) as place,
            tempfile.TemporaryDirectory(prefix="programs-", dir=plan.folder) as name,
        ):
            programs = Programs(turn.row, environment, place.url, Path(name))
            subject = Subject(turn.row, place, programs, plan.sizes)
            figures = MEASURES[measure](subject)
    except (BenchError, ServerError) as error:
        _fail(records, turn.row, measure, str(error))
        return
    records.write_figures(turn.key(measure), figures)
    print(f"    in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    for figure in figures:
        told = f"    {figure.name}: {number(figure.value)} {figure.unit}"
        print(told, file=sys.stderr, flush=True)


def _fail(records: Records, row: Row, measure: str, reason: str) -> None:
    print(f"    {row.name}: {measure}: {reason}", file=sys.stderr, flush=True)
    records.write("failure", {"row": row.name, "measure": measure, "reason": reason})
