"""Whether the reaper has reached the database without a break.

A worker may be called dead only by one who knows that it could have beaten: after an outage, a
failover or a jump of the server's clock, every worker looks dead for a moment.
"""

import time
from collections.abc import Callable

from sqlalchemy import Connection

JUMP_SECONDS = 2.0
"""How far the server's clock may differ from ours between two looks."""

_LOOK = """SELECT UTC_TIMESTAMP(6) AS now, @@hostname AS host, @@port AS port,
    @@server_id AS server_id"""


class Continuity:
    """Looks at the server at each tick, and measures since when nothing broke.

    Two looks more than `longest_gap` seconds apart are a break too: a server that stalled for
    so long gives no error, and its workers could not beat.
    """

    def __init__(
        self, longest_gap: float = float("inf"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._longest_gap = longest_gap
        self._clock = clock
        self._last: tuple[float, float, tuple[object, ...]] | None = None
        self._since = clock()

    def broke(self) -> None:
        """Take note of an outage."""
        self._last = None
        self._since = self._clock()

    def look(self, connection: Connection) -> float:
        """Look at the server and return the seconds since the last break."""
        found = connection.exec_driver_sql(_LOOK).one()
        here, there = self._clock(), found.now.timestamp()
        server = (found.host, found.port, found.server_id)
        if self._last is not None:
            last_here, last_there, last_server = self._last
            jump = abs((there - last_there) - (here - last_here))
            stalled = here - last_here > self._longest_gap
            if server != last_server or jump > JUMP_SECONDS or stalled:
                self._since = here
        self._last = (here, there, server)
        return here - self._since
