"""Whether the database can be used: watched in the background, so that requests need not find out.

While it cannot, requests are refused at once instead of each waiting for its own timeout.
"""

import asyncio
import os
import sys
import time
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from api.problems import Problem
from schema.runtime.errors import MISSING_DATABASE, error_code
from schema.runtime.logging import get_logger
from schema.server import NotMigratedError, WrongServerError, check

log = get_logger(__name__)

CHECK_SECONDS = 3.0
PAUSE_SECONDS = 0.5
EXIT_WRONG_SERVER = 3
"""What uvicorn's own workers end with when they cannot start: its supervisor then gives up."""


class Trouble(NamedTuple):
    """Why the database cannot be used: for programs, and for who reads the log."""

    code: str
    message: str


class Availability:
    """What is known about the server; `watch` keeps it true."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._code: str | None = "database_away"
        self._since: float | None = None
        self._suspected = asyncio.Event()
        self._checked = asyncio.Event()

    @property
    def is_given(self) -> bool:
        """Whether the last check found a server that can be used."""
        return self._code is None

    def require(self) -> None:
        """Raise Problem (503) while the server cannot be used."""
        if self._code is not None:
            raise Unavailable(self._code)

    def suspect(self) -> None:
        """Have the server checked now: a request met an error that speaks against it."""
        self._suspected.set()

    async def known(self) -> None:
        """Wait until the server has been checked once."""
        await self._checked.wait()

    async def watch(self) -> None:
        """Check the server now, whenever it is suspected, and while it is away, until cancelled.

        Ends the process when the server is one that must not be used.
        """
        while True:
            self._suspected.clear()
            await self._check()
            self._checked.set()
            await asyncio.sleep(PAUSE_SECONDS)
            if self.is_given:
                await self._suspected.wait()

    async def _check(self) -> None:
        trouble = await self._look()
        if trouble and self.is_given:
            trouble = await self._look()  # one broken connection is not an outage
        if trouble:
            self._begin(trouble)
        else:
            self._end()

    async def _look(self) -> Trouble | None:
        """Look over connections of its own: those of requests may all be waiting for rows."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await greenlet_spawn(check, self._engine.sync_engine)
        except WrongServerError as error:
            _stop(error)
        except NotMigratedError as error:
            return Trouble("database_not_migrated", str(error))
        except TimeoutError:
            return Trouble("database_away", f"no answer within {CHECK_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001  # whatever is there instead, the watch goes on
            not_there = error_code(error) == MISSING_DATABASE
            code = "database_not_migrated" if not_there else "database_away"
            return Trouble(code, str(getattr(error, "orig", None) or error)[:300])
        finally:
            await self._engine.dispose()
        return None

    def _begin(self, trouble: Trouble) -> None:
        if self._since is None or trouble.code != self._code:
            log.warning("database trouble", code=trouble.code, message=trouble.message)
        self._since = self._since or time.monotonic()
        self._code = trouble.code

    def _end(self) -> None:
        if self._since is not None:
            seconds = round(time.monotonic() - self._since, 3)
            log.info("database trouble is over", seconds=seconds)
        self._code = self._since = None


class Unavailable(Problem):
    """A request that the database cannot serve now."""

    def __init__(self, code: str) -> None:
        super().__init__(503, code, headers={"retry-after": "1"})


def _stop(error: WrongServerError) -> None:
    # Whatever is raised in here, uvicorn would log with a traceback; one sentence says it all.
    sys.stderr.write(f"{error}\n")
    sys.stderr.flush()
    os._exit(EXIT_WRONG_SERVER)
