"""The worker process: `python -m worker`."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from schema import hub_queues, server
from schema.queue_choice import QueueChoice, QueueChoiceError
from schema.runtime import logging, metrics, tracing
from schema.runtime.engine import create_thread_engine
from schema.runtime.garbage import collect_less_often
from schema.runtime.settings import SettingsError, settings
from schema.runtime.stopping import Stopping, leave
from schema.runtime.transactions import run
from worker import checking, command_file, filing, handlers, reloading
from worker.draining import end_what_hangs
from worker.executors.children import clean_up
from worker.finishing import Part
from worker.handlers import HandlerError
from worker.options import Mode, mode_of
from worker.worker import Worker

log = logging.get_logger(__name__)

CONNECTIONS = 5 + filing.THREADS
"""One for each thread that asks or writes; the heart has its own."""


def main(arguments: Sequence[str] = ()) -> int:
    """Do what the command line asks for; return the exit code."""
    mode = mode_of(arguments)
    try:
        match mode:
            case Mode.CHECK:
                return _check()
            case Mode.WATCH:
                return _watch()
            case _:
                return _work(mode)
    except (SettingsError, HandlerError, QueueChoiceError, server.WrongServerError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201  # logs may not be set up yet
        return 2


def _check() -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    return checking.check(settings)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _watch() -> int:
    stopping = _listen()
    configured = settings()
    logging.configure(configured)
    reloading.watch(stopping, configured.handler_modules)
    return 0


def _work(mode: Mode) -> int:
    stopping = _listen()
    configured = settings()
    logging.configure(configured)
    tracing.configure("worker")
    end_what_hangs(stopping, configured.worker_grace_seconds)
    command_file.commands()  # what is wrong with it is told now
    registry = handlers.load(configured.handler_modules)
    for module in handlers.without_handlers(configured.handler_modules):
        log.warning("a module of WORKER_HANDLERS registers no handler", module=module)
    engine = create_thread_engine(configured.database, connections=CONNECTIONS)
    worker = Worker(engine, configured, registry, stopping)
    server.wait_until_fit(engine, stopping.asked)
    if stopping.asked.is_set():
        return 0
    if limits := hub_queues.limits_of(configured):
        run(engine, lambda connection: hub_queues.provide(connection, limits))
    metrics.serve(configured.metrics_port)
    part = Part(engine, QueueChoice.parse(configured.worker_queues), registry)
    collect_less_often()
    succeeded = worker.run({Mode.ONCE: part.is_passed, Mode.DRAIN: part.is_drained}.get(mode))
    engine.dispose()
    tracing.end()
    return 0 if succeeded else 1


def _listen() -> Stopping:
    stopping = Stopping()
    stopping.listen()
    return stopping


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    clean_up()
    leave(exit_code)
