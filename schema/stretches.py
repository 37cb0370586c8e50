"""Stretches: what lies between two ids in some ranges, as statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from schema.filters import Condition
from schema.ranges import ALL, VISIBLE, Range, Ranges

Statement = tuple[str, tuple[Any, ...]]
"""A text, and its parameters."""


def joined(said: Iterable[Condition]) -> Statement:
    """Return conditions as one, to be behind others."""
    text: str = ""
    values: tuple[Any, ...] = ()
    for each in said:
        text += f" AND {each.text}"
        values += each.values
    return text, values


@dataclass(frozen=True, slots=True)
class Stretch:
    """What matches in the ranges below `before_id`, and not below `floor`, an id or its text."""

    chosen: Ranges
    before_id: int | None = None
    floor: int | str | None = None

    def rows(self, columns: str, limit: int, offset: int = 0) -> Statement:
        """Return the statement that reads columns of `tasks`, newest first."""
        first, *others = self.chosen.ranges
        if not others and first.task_id == ALL.task_id:
            return self._of_range(first, columns, limit, offset)
        ids, values = self.ids(limit, offset)
        text = f"""SELECT {columns} FROM ({ids}) AS page STRAIGHT_JOIN tasks ON tasks.id = page.id
        WHERE {VISIBLE} ORDER BY tasks.id DESC"""
        return text, values

    def ids(self, limit: int, offset: int = 0) -> Statement:
        """Return the statement that reads their ids, newest first."""
        ranges = self.chosen.ranges
        if len(ranges) == 1:
            return self._of_range(ranges[0], f"{ranges[0].task_id} AS id", limit, offset)
        parts = [self._of_range(each, f"{each.task_id} AS id", limit + offset) for each in ranges]
        union = " UNION " if self.chosen.overlap else " UNION ALL "
        texts = union.join([f"({text})" for text, _ in parts])
        values = tuple([value for _, some in parts for value in some])
        text = f"SELECT id FROM ({texts}) AS found ORDER BY id DESC LIMIT {limit} OFFSET {offset}"
        return text, values

    def _of_range(self, one: Range, what: str, limit: int, offset: int = 0) -> Statement:
        left, values = joined(self.chosen.left)
        source, visible = one.source, one.visible
        if self.chosen.left and one.task_id != ALL.task_id:
            source = f"{source} STRAIGHT_JOIN tasks ON tasks.id = {one.task_id}"
        if self.floor is not None:
            left += f" AND {one.task_id} >= {self.floor}"
        text = f"""SELECT {what} FROM {source}
        WHERE {one.where} AND {visible}{_below(one, self.before_id)}{left}
        ORDER BY {one.task_id} DESC LIMIT {limit} OFFSET {offset}"""
        return text, (*one.values, *values)


def floor_of(
    connection: Connection, ranges: Sequence[Range], before_id: int | None, most: int
) -> int | None:
    """Return the id down to which there are at most `most` rows in all ranges together.

    None: there are no more than that below `before_id` at all. Looks at indexes alone.
    """
    offset = max(most // len(ranges) - 1, 1) - 1  # each is walked along to the entry behind it
    texts = [
        f"""(SELECT {each.task_id} AS id FROM {each.source}
        WHERE {each.where}{_below(each, before_id)}
        ORDER BY {each.task_id} DESC LIMIT 1 OFFSET {offset})"""
        for each in ranges
    ]
    statement = f"SELECT MAX(id) FROM ({' UNION ALL '.join(texts)}) AS ends"
    values = tuple([value for each in ranges for value in each.values])
    found: int | None = connection.exec_driver_sql(statement, values).scalar_one()
    return found


def newest(before_id: int | None, most: int) -> int | str:
    """Return the id down to which there cannot be more than `most` tasks, told without a look."""
    if before_id is not None:
        return before_id - most
    return f"(SELECT MAX(id) FROM tasks) - {most - 1}"


def _below(one: Range, before_id: int | None) -> str:
    return "" if before_id is None else f" AND {one.task_id} < {before_id}"
