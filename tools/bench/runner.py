"""Taking measures: on every database in every run, so that what is compared is interleaved."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from tools.bench.figures import Taken, fields_of, number, write_line
from tools.bench.measures import Measure
from tools.bench.stand import Stand, durability, file_system, stand
from tools.servers import DatabaseKind


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, how often, and where the servers keep their data."""

    kinds: Sequence[DatabaseKind]
    measures: Mapping[str, Measure]
    runs: int
    folder: Path
    server_options: Sequence[str] = field(default=())


def take_all(plan: Plan, output: TextIO) -> Iterator[Taken]:
    """Take all measures; each figure goes to `output` as a JSON line as soon as it is there."""
    with ExitStack() as stack:
        stands = [
            stack.enter_context(stand(kind, plan.folder, plan.server_options))
            for kind in plan.kinds
        ]
        write_line(output, "conditions", conditions(plan, stands))
        for run in range(1, plan.runs + 1):
            for name in plan.measures:
                for each in stands:
                    for taken in _take(plan.measures[name], name, each, run):
                        write_line(output, "figure", _fields(taken))
                        yield taken


def conditions(plan: Plan, stands: Sequence[Stand]) -> dict[str, Any]:
    """Return under which conditions measures are taken: machine, versions, settings."""
    servers = {
        each.kind: {"version": each.server.version, "settings": durability(each.engine)}
        for each in stands
    }
    return {
        "at": _now(),
        **machine(plan.folder),
        "servers": servers,
        "sizes": {name: asdict(measure) for name, measure in plan.measures.items()},
    }


def machine(folder: Path) -> dict[str, Any]:
    """Return what machine this is, and on what kind of file system a folder lies."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "file_system": file_system(folder),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _take(measure: Measure, name: str, place: Stand, run: int) -> Iterator[Taken]:
    print(f"run {run}: {name} on {place.kind}", file=sys.stderr, flush=True)
    for figure in measure.measure(place):
        print(
            f"    {figure.name}: {number(figure.value)} {figure.unit}", file=sys.stderr, flush=True
        )
        yield Taken(place.kind, name, run, figure)


def _fields(taken: Taken) -> dict[str, Any]:
    return {"at": _now(), **fields_of(taken)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
