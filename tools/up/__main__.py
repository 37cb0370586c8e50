"""Run the whole system on this machine until Ctrl-C: `make up`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.servers import DATABASES, ServerError
from tools.up.demo import add_double, let_double_call
from tools.up.errors import UpError
from tools.up.private import only_one, servers
from tools.up.procfile import read_procfile
from tools.up.settings import PORT, choose_port, read_environment
from tools.up.supervisor import Supervisor


def main() -> int:
    """Run until a signal and return the exit code."""
    try:
        return _up(_read_arguments())
    except KeyboardInterrupt:
        return 0
    except (ServerError, UpError) as error:
        print(error, file=sys.stderr)
        return 1


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.up", description=__doc__)
    parser.add_argument("--workers", default="1", help="how many workers to run (1)")
    parser.add_argument("--database", choices=DATABASES, help="the private server's kind")
    parser.add_argument("--procfile", default="Procfile", help="what to run (Procfile)")
    parser.add_argument("--demo", action="store_true", help="run a double of RunningHub too")
    return parser.parse_args()


def _up(arguments: argparse.Namespace) -> int:
    workers = _count(arguments.workers)
    here = Path.cwd()
    local = here / ".local"
    commands = read_procfile(here / arguments.procfile)
    environment = read_environment(here)
    if arguments.demo:
        add_double(commands, environment)
    _interrupt_on_termination()
    with only_one(local), servers(local, arguments.database, environment):
        environment["PORT"] = _port(environment)
        if arguments.demo:
            let_double_call(environment)
        hurried, code = asyncio.run(_supervise(commands, workers, environment))
        _interrupt_on_termination()
        if hurried:
            raise KeyboardInterrupt
        return code


def _count(text: str) -> int:
    if not text.isdecimal():
        raise UpError(f"WORKERS is {text!r}: set it to a number, 0 or more.")
    return int(text)


async def _supervise(
    commands: Mapping[str, str], workers: int, environment: Mapping[str, str]
) -> tuple[bool, int]:
    supervisor = Supervisor(commands, {"worker": workers}, environment)
    code = await supervisor.run()
    return supervisor.hurried, code


def _port(environment: Mapping[str, str]) -> str:
    port = choose_port(environment)
    if not environment.get("PORT") and port != PORT:
        print(f"Port {PORT} is taken by another program, so port {port} is used.", flush=True)
    return str(port)


def _interrupt_on_termination() -> None:
    """Take SIGTERM and SIGHUP like Ctrl-C while no event loop does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
