"""The server's own record of what it was asked: every statement, and the time that it took."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

_RECORDING: Mapping[str, Any] = {
    "log_output": "TABLE",
    "long_query_time": 0,
    "min_examined_row_limit": 0,
    "slow_query_log": 1,
}
_SLOWEST = """SELECT sql_text, SECOND(query_time) * 1e3 + MICROSECOND(query_time) / 1e3
FROM mysql.slow_log ORDER BY query_time DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, and its milliseconds as the server took them."""

    text: str
    milliseconds: float


class Record:
    """What the server noted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def forget(self) -> None:
        """Begin anew."""
        self._connection.exec_driver_sql("TRUNCATE TABLE mysql.slow_log")

    def slowest(self) -> Statement:
        """Return the slowest statement since; one of no time at all where there was none."""
        row = self._connection.exec_driver_sql(_SLOWEST).one_or_none()
        if row is None:
            return Statement("", 0)
        text = row[0].decode() if isinstance(row[0], bytes) else row[0]
        return Statement(text, float(row[1]))


@contextmanager
def recorded(engine: Engine) -> Iterator[Record]:
    """Have the server note each statement of sessions that begin within the block."""
    with engine.connect() as connection:  # a session from before: what it asks is not noted
        before = {name: _variable(connection, name) for name in _RECORDING}
        record = Record(connection)
        try:
            _set(connection, _RECORDING)
            record.forget()
            yield record
        finally:
            _set(connection, dict(reversed(before.items())))
            record.forget()


def _variable(connection: Connection, name: str) -> Any:
    return connection.exec_driver_sql(f"SELECT @@GLOBAL.{name}").scalar_one()


def _set(connection: Connection, variables: Mapping[str, Any]) -> None:
    for name, value in variables.items():
        connection.exec_driver_sql(f"SET GLOBAL {name} = %s", (value,))
