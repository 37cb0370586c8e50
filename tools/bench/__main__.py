"""Measure on private servers with full durability.

python -m tools.bench [--db mysql|mariadb|both] [--only NAME,...] [--runs N] [--set NAME.SIZE=N]

Prints the median and the spread of every figure, and appends each run's to a file of JSON lines.
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tools.bench.errors import BenchError
from tools.bench.figures import table
from tools.bench.measures import MEASURES, Measure, Sized
from tools.bench.runner import Plan, take_all
from tools.servers import DATABASES, ServerError
from tools.servers.installing import ensure_database

T = TypeVar("T", bound=Sized)

FOLDER = Path("build/bench")


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the measures that the command line asks for and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        kinds = DATABASES if options.db == "both" else (options.db,)
        plan = Plan(kinds, chosen(options.only, options.set), options.runs, options.folder)
        for kind in kinds:
            ensure_database(kind)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with options.output.open("a") as output:
            print(table(take_all(plan, output)))
    except (BenchError, ServerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def chosen(only: str, sizes: Sequence[str] = ()) -> Mapping[str, Measure]:
    """Return the measures named, all if none is, in the sizes that "drain.tasks=1000" asks for.

    Raises BenchError for a name or a size that there is not.
    """
    names = [name for name in only.split(",") if name] or list(MEASURES)
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise BenchError(f"There is no measure {unknown[0]}: there are {', '.join(MEASURES)}.")
    measures = {name: MEASURES[name] for name in names}
    for size in sizes:
        name, _, change = size.partition(".")
        if name not in measures:
            raise BenchError(f"{size} is for a measure that is not taken.")
        measures[name] = resized(measures[name], change)
    return measures


def resized(measure: T, change: str) -> T:
    """Return a measure with one size changed, as in "tasks=1000"."""
    name, _, value = change.partition("=")
    types = {field.name: field.type for field in dataclasses.fields(measure)}
    if name not in types:
        raise BenchError(f"{change} names no size: there are {', '.join(types)}.")
    try:
        number = float(value) if types[name] is float else int(value)
    except ValueError:
        raise BenchError(f"{change} does not say how many.") from None
    return dataclasses.replace(measure, **{name: number})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measure on private servers with full durability.",
        epilog=f"Measures: {', '.join(MEASURES)}.",
    )
    parser.add_argument("--db", choices=[*DATABASES, "both"], default="both")
    parser.add_argument("--only", default="", metavar="NAME,...", help="measures; all by default")
    parser.add_argument("--runs", type=int, default=3, help="how often each is taken (3)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME.SIZE=N", help="drain.tasks=1000"
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"on a disk, for the servers' data ({FOLDER})"
    )
    parser.add_argument(
        "--output", type=Path, default=FOLDER / "figures.jsonl", help="where JSON lines are added"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
