"""How uvicorn runs the application, in one process or several."""

import logging
import os
import resource
import signal
import sys
import tempfile
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from api.connections import Connection
from schema.runtime.files import open_store
from schema.runtime.garbage import collect_less_often
from schema.runtime.logging import configure
from schema.runtime.settings import Settings, settings

SHUTDOWN_SECONDS = 5
"""Requests get this long to end; the database holds up none for longer."""


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, logging as this system does, in every process it starts."""

    def load(self) -> None:
        """Load the application; what it is made of stays until the process ends."""
        super().load()
        collect_less_often()

    def configure_logging(self) -> None:
        """Send uvicorn's log where ours goes."""
        configure(settings())
        logging.getLogger("uvicorn.access").disabled = True
        # It logs the server's notes as warnings, and every EXPLAIN has one.
        logging.getLogger("asyncmy").setLevel(logging.ERROR)


def serve(chosen: Settings) -> int:
    """Serve until told to end; return the process's exit code."""
    config = ServerConfig(
        "api.main:app",
        host=chosen.bind_host,
        port=chosen.port,
        workers=chosen.web_concurrency,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    open_store(chosen)  # once for all processes: it warns, or refuses
    _allow_many_files()
    # uvicorn raises the signal that ended it once more when it is done: that is not a failure.
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
    return _serve_in_processes(config) if config.workers > 1 else _serve_here(config)


def _allow_many_files() -> None:
    """Take as many open files as we may: a thousand streams need more than is usual."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _serve_here(config: ServerConfig) -> int:
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else STARTUP_FAILURE


def _serve_in_processes(config: ServerConfig) -> int:
    with tempfile.TemporaryDirectory(prefix="rowlease-metrics-") as folder:
        # Where the processes keep what they count, so that one of them can answer for all.
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)
        supervisor = Multiprocess(config, [config.bind_socket()])
        supervisor.run()
    codes = [process.exitcode for process in supervisor.processes]
    return STARTUP_FAILURE if STARTUP_FAILURE in codes else 0


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
