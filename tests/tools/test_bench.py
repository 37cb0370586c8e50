"""Every measure gives its figures; how good they are is not for a test to say."""

import json
import math
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from sqlalchemy import Engine

from api.ui.pages import PageRoute
from api.ui.router import ROUTES
from tools.bench.__main__ import chosen, main
from tools.bench.errors import BenchError
from tools.bench.figures import Figure, Taken, number, table
from tools.bench.measures import MEASURES
from tools.bench.measures.pages import PAGES
from tools.bench.stand import Stand
from tools.servers import Database

SMALL = {
    "drain": "tasks=30 slots=5 batch=7",
    "scaling": "tasks=30 slots=5 most=2",
    "functions": "tasks=10 slots=2",
    "threads": "tasks=10 slots=2",
    "enqueue": "seconds=0.12 connections=2 batch=3",
    "disk": "tasks=30 slots=5",
    "backlog": "few=10 many=20 most=30 finished=5 slots=3 rounds=4",
    "snapshot": "tasks=60 slots=3",
    "pickup": "samples=3 interval_seconds=0.01 idle_seconds=0.05 idle_workers=1",
    "gates": "slots=2 rounds=3 workers=2",
    "limit": "tasks=12 seconds=0.02 limit=2 processes=2 slots=3",
    "memory": "first=10 later=20 slots=5",
    "idle": "seconds=0.2",
    "batches": "calls=2 tasks=10",
    "lists": "tasks=200 rounds=1",
    "pages": "tasks=1000 rounds=1",
    "requests": "seconds=0.5 connections=2 batch=3 tasks=10",
    "cached": "seconds=0.5 connections=2",
}


ELSE = {"/", "/ui/{rest:path}"}
"""What leads to pages, and what is there instead of one."""


def small(name: str) -> list[str]:
    return [f"{name}.{size}" for size in SMALL[name].split()]


LONG = {"pruning", "migrating"}
"""Measures that need minutes of work under way, and migrate the tables meanwhile."""


@pytest.mark.parametrize("name", [name for name in MEASURES if name not in LONG])
def test_a_measure_gives_its_figures(
    server: Database, engine: Engine, tmp_path: Path, name: str
) -> None:
    if name in {"requests", "cached"} and shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    measure = chosen(name, small(name))[name]

    figures = measure.measure(Stand(server, engine, tmp_path))

    assert figures
    assert len({figure.name for figure in figures}) == len(figures)
    assert all(math.isfinite(figure.value) for figure in figures)


def test_every_page_of_the_dashboard_is_measured() -> None:
    known: defaultdict[str, int] = defaultdict(lambda: 1)
    paths = [path.format_map(known).partition("?")[0].rstrip("/") for path in PAGES.values()]
    pages = [route for route in ROUTES if isinstance(route, PageRoute) and route.path not in ELSE]

    missing = [
        page.path
        for page in pages
        if "GET" in (page.methods or ()) and not any(map(page.path_regex.match, paths))
    ]

    assert not missing


def test_the_command_line_prints_a_table_and_keeps_every_figure(
    server: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--folder", str(tmp_path), "--output", str(tmp_path / "figures.jsonl")]
    sizes = [word for size in small("drain") for word in ("--set", size)]

    assert main(["--db", server.kind, "--only", "drain", "--runs", "2", *sizes, *places]) == 0

    assert "share of the bare loop" in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    assert lines[0]["sizes"] == {"drain": {"tasks": 30, "slots": 5, "batch": 7}}
    assert lines[0]["servers"][server.kind]["settings"]["innodb_flush_log_at_trx_commit"] == "1"
    assert {line["run"] for line in lines[1:]} == {1, 2}


def test_the_table_shows_medians_and_what_is_not_reached() -> None:
    values = [80.0, 120.0, 90.0]
    taken = [
        Taken("mysql", "drain", run, Figure("rate", value, "tasks/s", at_least=100))
        for run, value in enumerate(values)
    ]
    last = " ".join(table(taken).splitlines()[-1].split())
    assert last == "mysql drain rate 90 80 120 tasks/s >= 100 NOT REACHED"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.00784, "0.00784"), (3.456, "3.46"), (12_345.6, "12,346")]
)
def test_numbers_have_the_digits_they_deserve(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("only", "size", "words"),
    [
        ("drian", None, "There is no measure drian"),
        ("drain", "drain.task=1", "names no size"),
        ("drain", "drain.tasks=many", "does not say how many"),
        ("drain", "idle.tasks=1", "a measure that is not taken"),
    ],
)
def test_what_cannot_be_measured_is_refused(only: str, size: str | None, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        chosen(only, [size] if size else [])
