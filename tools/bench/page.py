"""Write docs/benchmarks.md, its plot and its raw lines from what was measured.

python -m tools.bench.page [--figures build/bench] [--docs docs]
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench import bars
from tools.bench.__main__ import FOLDER
from tools.bench.bars import Bar
from tools.bench.figures import Figure, Spread, number, verdict
from tools.bench.measures import MEASURES
from tools.bench.peers import targets
from tools.bench.peers.catalogue import LASTING, OURS_ROWS, Row, rows
from tools.bench.peers.records import Records
from tools.bench.peers.targets import DRAINED, DRAINED_BY_TWO, LOST, PICKUP, RUN_BY_BOTH, Medians

OURS_FILE, PEERS_FILE, PLOT_FILE = "figures.jsonl", "peers.jsonl", "benchmarks.svg"
INTRODUCTION = Path(__file__).with_name("page.md")
REMARKS = Path(__file__).with_name("remarks.md")
"""What stands in the way where a target is not reached, and why peers are ahead."""

RAW = """Every figure below is the median of its runs, with the lowest and the highest.
The raw lines are in `docs/benchmarks`."""

Line = Mapping[str, Any]
Table = tuple[str, Sequence[tuple[str, str]]]
"""A heading, and the columns: their heads and the figures in them."""

KILL = "Kill -9 of a worker in the middle of a drain, tasks"
"""Where the table tells the whole of what each row promises."""

TABLES: Sequence[Table] = (
    (
        "Drain no-op tasks, per second",
        (
            ("one process", DRAINED),
            ("two", DRAINED_BY_TWO),
            ("run by both of two, tasks", RUN_BY_BOTH),
        ),
    ),
    (
        "What a drain costs, microseconds of processor time per task",
        (("worker", "worker CPU per task"), ("store", "store CPU per task")),
    ),
    (
        "Enqueue, per second",
        (("one by one", "enqueued one by one"), ("in bulk", "enqueued in bulk")),
    ),
    (
        "Pickup by an idle worker, ms",
        (("p50", "pickup p50"), ("p95", "pickup p95"), ("p99", PICKUP)),
    ),
    (
        "Idle",
        (
            ("worker, % of a core", "idle worker"),
            ("store, % of a core", "store with an idle worker"),
            ("worker, MiB", "memory of an idle worker"),
        ),
    ),
    (
        KILL,
        (
            ("missing 8 s after", "missing 8 s after a kill"),
            (LOST, LOST),
            ("run again", "run again"),
        ),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.page")
    parser.add_argument("--figures", type=Path, default=FOLDER, help="the folder of JSON lines")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the page goes")
    options = parser.parse_args(arguments)
    kept = options.docs / "benchmarks"
    kept.mkdir(parents=True, exist_ok=True)
    for name in (OURS_FILE, PEERS_FILE):
        if not (options.figures / name).exists():
            print(f"bench: {options.figures / name} is not there: measure first.", file=sys.stderr)
            return 1
        shutil.copyfile(options.figures / name, kept / name)
    page = Page(_lines(kept / OURS_FILE), Records(kept / PEERS_FILE))
    (kept / PLOT_FILE).write_text(page.plot())
    (options.docs / "benchmarks.md").write_text(page.text())
    return 0


class Page:
    """The page, from the lines of ours and the records of peers."""

    def __init__(self, ours: Sequence[Line], peers: Records) -> None:
        self._ours = ours
        self._peers = peers
        self._medians = _medians(peers)
        known = (*OURS_ROWS, *rows())
        self._rows = [row for row in known if (row.name, DRAINED) in self._medians]

    def text(self) -> str:
        """Return the page as Markdown."""
        parts = [INTRODUCTION.read_text().strip(), RAW, *self._conditions(), *self._targets()]
        parts += [f"![The same as bars](benchmarks/{PLOT_FILE})"]
        for table in TABLES:
            parts += self._table(*table)
        parts += [*self._ahead(), *self._own(), *self._settings(), *self._missing()]
        return "\n\n".join(parts) + "\n"

    def plot(self) -> str:
        """Return the plot as SVG."""
        figures = {
            "drained by one worker process, tasks/s": DRAINED,
            "enqueued one by one, tasks/s": "enqueued one by one",
            "enqueued in bulk, tasks/s": "enqueued in bulk",
            "pickup p99, ms": PICKUP,
        }
        return bars.plot(
            [
                (title, [Bar(row.name, spread, row.is_ours) for row, spread in self._by(figure)])
                for title, figure in figures.items()
            ]
        )

    def _by(self, figure: str) -> list[tuple[Row, Spread]]:
        """Return the rows that have a figure, largest first."""
        have = [row for row in self._rows if (row.name, figure) in self._medians]
        found = [(row, self._medians[row.name, figure]) for row in have]
        return sorted(found, key=lambda each: -each[1].median)

    def _conditions(self) -> Iterator[str]:
        told = self._peers.last("conditions")
        memory = told["memory_bytes"] / 2**30
        yield "## Conditions"
        yield "\n".join(
            [
                f"- {told['at'][:10]}; {told['system']}, Python {told['python']}",
                f"- {told['cores']} cores of {told['processor']}, {memory:.0f} GiB of memory",
                f"- file system: {told['file_system']}",
                f"- stores: {_named(self._peers.stores())}",
                f"- sizes: {_named(told['sizes'])}",
            ]
        )

    def _targets(self) -> Iterator[str]:
        yield "## What was asked for"
        for ours in OURS_ROWS:
            found = list(targets.reached(ours, self._rows, self._medians))
            if found:
                yield _grid((ours.name, "asked", "measured", ""), found)
        yield REMARKS.read_text().strip()

    def _table(self, title: str, columns: Sequence[tuple[str, str]]) -> Iterator[str]:
        first = columns[0][1]
        head = ("", *(name for name, _ in columns), "delivery", "its store")
        cells = [
            (
                f"**{row.name}**" if row.is_ours else row.name,
                *(str(self._medians.get((row.name, figure), "")) for _, figure in columns),
                row.delivery if title == KILL else row.delivery.split(":")[0],
                LASTING[row.store],
            )
            for row, _ in self._by(first)
        ]
        if cells:
            yield f"## {title}"
            yield _grid(head, cells)

    def _ahead(self) -> Iterator[str]:
        peers = [row for row in self._rows if not row.is_ours]
        ours = next((row for row in self._rows if row.is_ours), None)
        told = list(targets.better(ours, peers, self._medians)) if ours else []
        if ours and told:
            yield f"## Where peers are ahead of {ours.name}"
            yield "\n".join(f"- {sentence}" for sentence in told)

    def _own(self) -> Iterator[str]:
        """Yield the tables of our own measures, with the targets that are set for them."""
        yield "## Figures of ours by itself"
        groups = _latest(self._ours)
        for measure in MEASURES:
            cells = [
                (figure, database, *_judged(figures))
                for (database, name, figure), figures in groups.items()
                if name == measure
            ]
            if not cells:
                continue
            yield f"### {measure}"
            yield _grid(("", "database", "median (lowest to highest)", "unit", "target", ""), cells)

    def _settings(self) -> Iterator[str]:
        yield "## What each guarantees, settings and versions"
        versions = self._peers.versions()
        cells = [
            (row.name, row.settings, row.delivery, row.keeps, _named(versions.get(row.name, {})))
            for row in self._rows
        ]
        head = ("", "settings", "the tasks of a worker that is killed", "it keeps", "versions")
        yield _grid(head, cells)

    def _missing(self) -> Iterator[str]:
        failures = self._peers.failures()
        if failures:
            yield "## What could not be measured here"
            yield "\n".join(f"- {failure}" for failure in failures)


def _lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _medians(records: Records) -> Medians:
    values: dict[tuple[str, str], list[float]] = {}
    for taken in records.taken():
        values.setdefault((taken.database, taken.figure.name), []).append(taken.figure.value)
    return {key: Spread.of(each) for key, each in values.items()}


def _latest(lines: Iterable[Line]) -> dict[tuple[str, str, str], list[Figure]]:
    """Return the figures by database, measure and name, of each measure the last command's."""
    groups: dict[tuple[str, str, str], list[Figure]] = {}
    commands: dict[tuple[str, str], int] = {}
    command = 0
    for line in lines:
        if line["line"] == "conditions":
            command += 1
            continue
        measure = line["database"], line["measure"]
        if commands.get(measure) != command:
            commands[measure] = command
            groups = {key: each for key, each in groups.items() if key[:2] != measure}
        limits = {name: line[name] for name in ("at_least", "at_most")}
        figure = Figure(line["name"], line["value"], line["unit"], **limits)
        groups.setdefault((*measure, figure.name), []).append(figure)
    return groups


def _judged(figures: Sequence[Figure]) -> Sequence[str]:
    spread = Spread.of([figure.value for figure in figures])
    first = figures[0]
    return str(spread), first.unit, first.target, verdict(first.reaches(spread.median))


def _grid(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _named(values: Mapping[str, Any]) -> str:
    shown: Callable[[Any], str] = lambda value: value if isinstance(value, str) else number(value)  # noqa: E731
    return ", ".join(f"{name} {shown(value)}" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
