"""What the double remembers when it is ended, however that happens: its runs and uploads."""

import itertools
import pickle
import time
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tools.runninghub_double import webhooks
from tools.runninghub_double.double import FIRST_ID, Double

CHANGING = ("/task/openapi/create", "/task/openapi/upload", "/task/openapi/cancel", "/double")
"""Beginnings of the paths whose requests change what it knows."""


class Remembering:
    """The application, which writes to a file what a request changed before it is answered."""

    def __init__(self, app: ASGIApp, double: Double, path: Path) -> None:
        self._app = app
        self._double = double
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; at the start, go on with the webhooks of runs under way."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith(CHANGING):
                keep(self._double, self._path)
            await send(message)

        if scope["type"] == "lifespan":
            for key in self._double.accounts:
                for run in self._double.active(key):
                    webhooks.follow(self._double, run)
        await self._app(scope, receive, sending)


def keep(double: Double, path: Path) -> None:
    """Write what a double knows, whole or not at all."""
    known: dict[str, Any] = {
        "at": (time.time(), double.clock.now()),
        "runs": double.runs,
        "bytes_of": double.bytes_of,
        "uploads": {key: account.uploads for key, account in double.accounts.items()},
        "script": double.script,
    }
    new = path.with_suffix(".new")
    new.write_bytes(pickle.dumps(known))
    new.replace(path)


def recall(double: Double, path: Path) -> None:
    """Let a new double know what one before it knew, if there was one; time has gone on."""
    if not path.exists():
        return
    try:
        known = pickle.loads(path.read_bytes())
    except (pickle.PickleError, AttributeError, ImportError, EOFError, TypeError) as error:
        print(f"{path} cannot be read, so all is forgotten: {error}", flush=True)  # an older one's
        return
    at, now = known["at"]
    double.clock.advance(now + max(time.time() - at, 0))
    double.runs.update(known["runs"])
    double.bytes_of.update(known["bytes_of"])
    double.script = known["script"]
    for key, uploads in known["uploads"].items():
        if key in double.accounts:
            double.accounts[key].uploads.update(uploads)
    double.ids = itertools.count(max([*map(int, double.runs), FIRST_ID - 1]) + 1)
