"""Writes down what a database has: the same text whichever server it is on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from tools.dictionary.views import COLUMNS, OWN, TABLES, VIEWS

BEGIN = "<!-- dictionary -->\n"
END = "<!-- end of the dictionary -->\n"

_TABLES = """SELECT table_name AS t, table_comment AS c FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'"""
_COLUMNS = """SELECT table_name AS t, column_name AS name, column_type AS type,
    is_nullable AS is_nullable, column_comment AS comment FROM information_schema.columns
WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"""
_INDEXES = """SELECT table_name AS t, index_name AS name, non_unique AS non_unique,
    column_name AS c FROM information_schema.statistics
WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"""
_CHECKS = """SELECT table_name AS t, constraint_name AS name
FROM information_schema.table_constraints
WHERE table_schema = DATABASE() AND constraint_type = 'CHECK' AND constraint_name LIKE 'ck%%'
ORDER BY table_name"""

_WIDTH = re.compile(r"(int)\(\d+\)")


def written(connection: Connection) -> str:
    """Return the dictionary as Markdown."""
    columns = _by_table(connection, _COLUMNS)
    indexes, checks = _by_table(connection, _INDEXES), _by_table(connection, _CHECKS)
    tables = {row["t"]: row["c"] for row in connection.exec_driver_sql(_TABLES).mappings()}
    lines = ["## Views", ""]
    for view, purpose in VIEWS.items():
        lines += [f"### {view}", "", f"{purpose}.", "", *_view(view, columns)]
    lines += ["## Tables", ""]
    for table in sorted(tables):
        lines += [f"### {table}", "", f"{tables[table]}.", "", *_table(columns[table])]
        lines += [*_indexes(indexes[table]), *_checks(checks.get(table, ())), ""]
    return "\n".join(lines).rstrip() + "\n"


def put_in(page: str, dictionary: str) -> str:
    """Return the page with the dictionary in its place."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{dictionary}\n{END}{after}"


def _by_table(connection: Connection, query: str) -> dict[str, list[Mapping[str, Any]]]:
    rows = connection.exec_driver_sql(query).mappings().all()
    return {
        table: [dict(row) for row in found] for table, found in groupby(rows, lambda row: row["t"])
    }


def _view(view: str, columns: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    yield from ("| column | |", "| --- | --- |")
    known = dict(COLUMNS)
    for table in reversed(TABLES[view]):
        known |= {column["name"]: column["comment"] for column in columns[table]}
    for column in columns[view]:
        name = column["name"]
        yield f"| `{name}` | {OWN.get((view, name)) or known[name]} |"
    yield ""


def _table(columns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from ("| column | type | |", "| --- | --- | --- |")
    for column in columns:
        null = ", NULL" if column["is_nullable"] == "YES" else ""
        yield f"| `{column['name']}` | {_type(column['type'])}{null} | {column['comment']} |"
    yield ""


def _type(text: str) -> str:
    """Return a type as MySQL writes it: MariaDB's JSON is LONGTEXT, its integers have a width."""
    plain = _WIDTH.sub(r"\1", text)
    return "json" if plain == "longtext" else plain


def _indexes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first_key = sorted(rows, key=lambda row: (row["name"] != "PRIMARY", row["name"]))
    for name, found in groupby(first_key, lambda row: row["name"]):
        parts = list(found)
        kind = "unique " if name != "PRIMARY" and not parts[0]["non_unique"] else ""
        yield f"- {kind}index `{name}` ({', '.join(part['c'] for part in parts)})"


def _checks(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if rows:
        names = ", ".join(sorted(f"`{row['name']}`" for row in rows))
        yield f"- constraints {names}"
