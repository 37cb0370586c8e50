"""The worker process: `python -m worker`."""

import sys

from schema import server
from schema.runtime import logging
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import SettingsError, settings
from schema.runtime.stopping import Stopping
from worker import handlers
from worker.handlers import HandlerError
from worker.queues import QueueChoiceError
from worker.worker import Worker

CONNECTIONS = 6
"""One for each thread that writes, and one for the look at the server."""


def main() -> int:
    """Run a worker; return the exit code."""
    stopping = Stopping()
    stopping.listen()
    try:
        configured = settings()
        logging.configure(configured)
        registry = handlers.load(configured.handler_modules)
        engine = create_thread_engine(configured.database, connections=CONNECTIONS)
        worker = Worker(engine, configured, registry, stopping)
        server.wait_until_fit(engine, stopping.asked)
    except (SettingsError, HandlerError, QueueChoiceError, server.WrongServerError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201  # logs may not be set up yet
        return 2
    if stopping.asked.is_set():
        return 0
    succeeded = worker.run()
    engine.dispose()
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
