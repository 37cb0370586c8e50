"""The reaper process: `python -m reaper`; `--doctor` looks how things stand, and ends."""

import argparse
import sys

from reaper import archiving, doctor
from reaper.reaper import Reaper
from schema import server
from schema.announcing import announced
from schema.runtime import logging, metrics, tracing
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import SettingsError, settings
from schema.runtime.stopping import Stopping, leave

CONNECTIONS = 6


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reaper", description="Takes care of tasks.")
    parser.add_argument(
        "--doctor",
        action="store_true",
        help="look at the server, the tables and the work, say what to do, and end",
    )
    parser.add_argument(
        "--load",
        metavar="URL",
        help="put back the tasks of RETENTION_EXPORT_URL, or of one of its files, and end",
    )
    chosen = parser.parse_args()
    if chosen.doctor:
        return doctor.examine(settings)
    return archiving.load(settings, chosen.load) if chosen.load else _run()


def _run() -> int:
    stopping = Stopping()
    stopping.listen()
    try:
        configured = settings()
        logging.configure(configured)
        tracing.configure("reaper")
        engine = create_thread_engine(configured.database, connections=CONNECTIONS)
        reaper = Reaper(engine, configured, stopping)
        server.wait_until_fit(engine, stopping.asked)
    except (SettingsError, server.WrongServerError) as error:
        print(f"reaper: {error}", file=sys.stderr)  # noqa: T201  # logs may not be set up yet
        return 2
    metrics.serve(configured.metrics_port)
    with announced(configured, engine):
        reaper.run()
    engine.dispose()
    tracing.end()
    return 0


if __name__ == "__main__":
    leave(main())
