"""Let the system work while it fails, then prove that nothing was lost or done twice.

python -m tools.soak --hours N [--db mysql|mariadb] [--seed N]

A quick fault every 3 s, one of the server every 3 minutes. Journals, logs, samples and a plot
stay in a folder of their own under build/soak.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tools.servers import DATABASES, DatabaseKind, ServerError
from tools.servers.installing import ensure_database, ensure_redis
from tools.soak.plot import plot
from tools.soak.run import Plan, soak
from tools.soak.stand import Crew, stand

FOLDER = Path("build/soak")


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak; the exit code is 1 when something was broken."""
    options = _parser().parse_args(arguments)
    kind: DatabaseKind = options.db
    seed = random.randrange(10**9) if options.seed is None else options.seed
    plan = Plan(options.hours * 3600, seed, options.rate, server_seconds=options.server_seconds)
    try:
        ensure_database(kind)
        ensure_redis()
        print(f"soak: {kind}, seed {seed}", flush=True)
        with ExitStack() as stack:
            place = stack.enter_context(stand(kind, options.folder, Crew(workers=options.workers)))
            figures = soak(place, plan)
    except ServerError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    plot(place.folder / "samples.jsonl", place.folder / "plot.svg")
    for name, value in figures.items():
        print(f"{name}: {value}")
    return 1 if figures["violations"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--db", choices=DATABASES, default="mysql")
    parser.add_argument("--seed", type=int, help="repeats the faults of a run")
    parser.add_argument("--rate", type=float, default=60, help="tasks created per second (60)")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--server-seconds", type=float, default=180)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on a disk (build/soak)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
