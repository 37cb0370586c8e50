"""What a command prints: tables and fields for people, JSON for programs."""

import json
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

import typer

from rowlease.reading import Record

R = TypeVar("R", bound=Record)
Columns = Mapping[str, Callable[[R], Any]]
"""Headings of a table, and what stands under them."""

GAP = "  "


@dataclass(frozen=True)
class Output:
    """Prints as JSON or for people."""

    as_json: bool

    def many(self, records: Iterable[R], columns: Columns[R], limit: int) -> None:
        """Print up to `limit` records, one a line, and say where there are more."""
        found = list(islice(records, limit + 1))
        if self.as_json:
            self._json([each.json for each in found[:limit]])
        else:
            self._table(found[:limit], columns)
        if len(found) > limit:
            typer.echo(f"There are more than {limit}: --limit shows them.", err=True)

    def one(self, record: R, columns: Columns[R]) -> None:
        """Print one record on one line."""
        if self.as_json:
            self._json(record.json)
        else:
            self._table([record], columns)

    def fields(self, record: Record) -> None:
        """Print one record, a field a line."""
        if self.as_json:
            self._json(record.json)
            return
        width = max(map(len, record.json))
        for name, value in record.json.items():
            line = f"{name:{width}}  {cell(value)}".rstrip()
            if _is_nested(value) and columns_of(line) > shutil.get_terminal_size().columns:
                typer.echo(name)
                for part in json.dumps(value, ensure_ascii=False, indent=2).splitlines():
                    typer.echo(f"  {cell(part)}")
            else:
                typer.echo(line)

    def done(self, sentence: str) -> None:
        """Say that something was done of which nothing is left to be shown."""
        if not self.as_json:
            typer.echo(sentence)

    def _table(self, records: Sequence[R], columns: Columns[R]) -> None:
        rows = [[cell(show(each)) for show in columns.values()] for each in records]
        for line in aligned([list(columns), *rows], shutil.get_terminal_size().columns):
            typer.echo(line)

    def _json(self, document: Any) -> None:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def aligned(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the rows as lines of up to `width` columns, the widest cells cut where needed."""
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    while sum(widths) + len(GAP) * (len(widths) - 1) > width and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return [
        GAP.join(padded(text, size) for text, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def padded(text: str, size: int) -> str:
    """Return a text that takes exactly so many columns of a terminal."""
    if columns_of(text) > size:
        while columns_of(text) > size - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (size - columns_of(text))


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: 高 takes two."""
    return sum(_columns_of(character) for character in text)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cell(value: Any) -> str:
    """Return a value as a person reads it, on one line and without control characters."""
    match value:
        case None | [] | ():
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case [*_] if all(isinstance(each, str) for each in value):
            return cell(", ".join(value))
        case _:
            return cell(json.dumps(value, ensure_ascii=False)) if _is_nested(value) else str(value)


def age(moment: datetime | None) -> str:
    """Return how long ago a moment is, in its largest unit: 45s, 12m, 3h, 8d."""
    if moment is None:
        return "-"
    return duration((datetime.now(UTC) - moment).total_seconds())


def duration(seconds: float | None) -> str:
    """Return a length of time in its largest unit."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size or (unit == "d" and seconds >= size):
            return f"{seconds // size:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)
