"""Measure other task queues beside ours.

python -m tools.bench.peers [--peers celery,arq,...] [--runs N] [--set tasks=1000] [--afresh]

What was taken before is kept: the same command goes on where it was ended. Prints the median and
the spread of every figure.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench.__main__ import FOLDER, resized
from tools.bench.errors import BenchError
from tools.bench.figures import table
from tools.bench.peers.catalogue import rows
from tools.bench.peers.measures import Sizes
from tools.bench.peers.records import Records
from tools.bench.peers.runner import Plan, take_all
from tools.servers import ServerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the peers that the command line names and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        sizes = Sizes()
        for change in options.set:
            sizes = resized(sizes, change)
        names = [] if options.peers == "all" else options.peers.split(",")
        if options.afresh:
            options.output.unlink(missing_ok=True)
        records = Records(options.output)
        take_all(Plan(rows(names), options.runs, sizes, options.folder), records)
        print(table(records.taken()))
    except (BenchError, ServerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for failure in records.failures():
        print(failure, file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.peers", description="Measure other task queues beside ours."
    )
    parser.add_argument("--peers", default="all", metavar="NAME,...", help="all by default")
    parser.add_argument("--runs", type=int, default=3, help="how often each is taken (3)")
    parser.add_argument("--set", action="append", default=[], metavar="SIZE=N", help="tasks=1000")
    parser.add_argument("--afresh", action="store_true", help="forget what was taken before")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"on a disk, for data and peers ({FOLDER})"
    )
    parser.add_argument(
        "--output", type=Path, default=FOLDER / "peers.jsonl", help="where JSON lines are added"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
