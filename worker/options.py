"""The command line of the worker."""

import argparse
from collections.abc import Sequence
from enum import Enum, auto
from typing import NoReturn

DESCRIPTION = """\
Claim tasks from the database and run them, until SIGTERM or SIGINT: then claim nothing more, let
handlers end for WORKER_GRACE_SECONDS, give back the rest uncounted, and exit 0. A second signal
gives back at once."""

EPILOG = """\
For --once and --drain only those tasks count that this worker can run: of the queues that it
takes and the types that it has handlers for, and not what waits for a person, as in a paused queue.

Settings are environment variables: DATABASE_URL, WORKER_HANDLERS (modules, comma separated),
WORKER_QUEUES, WORKER_CONCURRENCY and others that README.md lists. docs/handlers.md says how to
write handlers.

exit codes: 0 done, or told to stop; 1 --check found faults, or a part of the worker failed;
2 wrong options, settings or handlers, or a server that cannot be used"""


class Mode(Enum):
    """What the process is to do."""

    WORK = auto()
    CHECK = auto()
    ONCE = auto()
    DRAIN = auto()
    WATCH = auto()


HELP = {
    Mode.CHECK: (
        "look at the settings, the handlers, the store of files and the database, what the user"
        " may do there included; print a line for each finding, and exit: 0 when a worker can"
        " work, else 1"
    ),
    Mode.ONCE: (
        "run what is due now, and exit 0: once no task waits that was due at the start and what"
        " runs has ended. Retries and tasks that become due later are left"
    ),
    Mode.DRAIN: (
        "run everything, and exit 0: once no task waits, due or not, and none is in progress,"
        " here or on another worker. Waits for retries and for tasks that become due later"
    ),
    Mode.WATCH: (
        "for development: start the worker anew whenever a Python file changes below the current"
        " directory or in the packages of WORKER_HANDLERS"
    ),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"worker: {message}; --help lists the options\n")


def mode_of(arguments: Sequence[str]) -> Mode:
    """Return what the command line asks for.

    Exits with code 2 and one sentence when it is wrong, with 0 after --help.
    """
    parser = _Parser(
        prog="python -m worker",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(mode=Mode.WORK)
    group = parser.add_mutually_exclusive_group()
    for mode, text in HELP.items():
        option = f"--{mode.name.lower()}"
        group.add_argument(option, dest="mode", action="store_const", const=mode, help=text)
    chosen: Mode = parser.parse_args(arguments).mode
    return chosen
