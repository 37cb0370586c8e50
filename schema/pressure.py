"""What slows queues on MySQL down: snapshots that stay open, and the history that they hold back.

A row version is purged when no open snapshot can see it. Until then every claim wades through the
entries of tasks that ended long ago. To look takes the privilege PROCESS, which a reaper may have:
what it saw last stands in `settings` for those who may not look.
"""

from dataclasses import asdict, dataclass

import orjson
from sqlalchemy import Connection

from schema.documents import decode

LONG_HISTORY = 100_000
"""Row versions that wait for the purge: from here on claims are noticeably slower."""

OLD_SECONDS = 60
"""A transaction that has been open for so long is forgotten, a dump, or a report."""

FRESH_SECONDS = 60
"""What a reaper saw longer ago says nothing any more."""

_HISTORY = "SELECT count FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'"
_OLDEST = """SELECT trx_mysql_thread_id, COALESCE(user, '?'), COALESCE(host, '?'),
    TIMESTAMPDIFF(SECOND, trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM'))
FROM information_schema.innodb_trx
LEFT JOIN information_schema.processlist ON processlist.id = trx_mysql_thread_id
WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID())
ORDER BY trx_started LIMIT 1"""
_NOTE = """INSERT INTO settings (name, value) VALUES ('pressure', %s)
ON DUPLICATE KEY UPDATE value = VALUES(value), updated_at = UTC_TIMESTAMP(6)"""
_NOTED = f"""SELECT value FROM settings
WHERE name = 'pressure' AND updated_at > UTC_TIMESTAMP(6) - INTERVAL {FRESH_SECONDS} SECOND"""  # noqa: S608  # a constant


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A transaction that is open: whose, and for how long."""

    thread: int
    user: str
    host: str
    seconds: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"thread {self.thread} of {self.user}@{self.host}, open for {self.seconds} s"


@dataclass(frozen=True, slots=True)
class Pressure:
    """Row versions that wait for the purge, and the oldest transaction that is open."""

    history: int
    oldest: Snapshot | None

    @property
    def is_long(self) -> bool:
        """Whether the history slows claims down."""
        return self.history > LONG_HISTORY

    @property
    def old(self) -> Snapshot | None:
        """The oldest transaction where it has been open for long."""
        if self.oldest is None or self.oldest.seconds < OLD_SECONDS:
            return None
        return self.oldest


def look(connection: Connection) -> Pressure:
    """Return how it stands. Raises the server's error where the user has not PROCESS."""
    history = connection.exec_driver_sql(_HISTORY).scalar_one_or_none()
    row = connection.exec_driver_sql(_OLDEST).one_or_none()
    return Pressure(int(history or 0), None if row is None else Snapshot(*row))


def note(connection: Connection, found: Pressure) -> None:
    """Let others know what was seen."""
    connection.exec_driver_sql(_NOTE, (orjson.dumps(asdict(found)).decode(),))


def noted(connection: Connection) -> Pressure | None:
    """Return what a reaper saw within the last FRESH_SECONDS; None: none did, or none may."""
    kept = decode(connection.exec_driver_sql(_NOTED).scalar_one_or_none())
    if kept is None:
        return None
    oldest = kept["oldest"]
    return Pressure(kept["history"], None if oldest is None else Snapshot(**oldest))
