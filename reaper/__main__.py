"""The reaper process: `python -m reaper`."""

import sys

from reaper.reaper import Reaper
from schema import server
from schema.announcing import announced
from schema.runtime import logging
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import SettingsError, settings
from schema.runtime.stopping import Stopping

CONNECTIONS = 6


def main() -> int:
    """Run a reaper; return the exit code."""
    stopping = Stopping()
    stopping.listen()
    try:
        configured = settings()
        logging.configure(configured)
        engine = create_thread_engine(configured.database, connections=CONNECTIONS)
        reaper = Reaper(engine, configured, stopping)
        server.wait_until_fit(engine, stopping.asked)
    except (SettingsError, server.WrongServerError) as error:
        print(f"reaper: {error}", file=sys.stderr)  # noqa: T201  # logs may not be set up yet
        return 2
    with announced(configured, engine):
        reaper.run()
    engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
