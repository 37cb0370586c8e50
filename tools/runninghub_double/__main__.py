"""Run the double: `python -m tools.runninghub_double --port 8188`."""

import argparse
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from tools.runninghub_double.app import build
from tools.runninghub_double.clock import Clock
from tools.runninghub_double.double import Account, Double
from tools.runninghub_double.memory import Remembering, recall

DEMO_KEY = "demo"


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tools.runninghub_double", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where to listen on this machine")
    parser.add_argument(
        "--key", action="append", help=f"a key, KEY or KEY#LIMIT; may be repeated ({DEMO_KEY})"
    )
    parser.add_argument(
        "--stepped", action="store_true", help="the clock stands until /double/clock moves it"
    )
    parser.add_argument(
        "--state", type=Path, help="a file that keeps what it knows, for when it is started again"
    )
    arguments = parser.parse_args()
    accounts = dict(_account(text) for text in arguments.key or [DEMO_KEY])
    double = Double(accounts, Clock(runs=not arguments.stepped))
    app: ASGIApp = build(double)
    if arguments.state is not None:
        recall(double, arguments.state)
        app = Remembering(app, double, arguments.state)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


def _account(text: str) -> tuple[str, Account]:
    key, _, limit = text.partition("#")
    return key, Account(int(limit or 1))


if __name__ == "__main__":
    main()
