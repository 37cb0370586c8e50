"""docs/sql.md: the dictionary is that of the database, and every query is cheap."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from schema import counts
from schema.runtime.transactions import transaction
from tests.conftest import ROOT, empty
from tests.rows import WORKER, make
from tests.schema.test_views import enter_worker
from tools.dictionary.dictionary import BEGIN, put_in, written

PAGE = (ROOT / "docs/sql.md").read_text(encoding="utf-8")
QUESTIONS = [
    (part.partition("\n")[0], part.partition("```sql\n")[2].partition(";\n```")[0])
    for part in PAGE.partition(BEGIN)[0].split("\n### ")[1:]
]

TASKS = 30_000
FEW = 2_500
"""Rows that a query may read; of each table there are ten times as many."""

COUNTED = ("Handler_read_next", "Handler_read_prev", "Handler_read_rnd_next")


def test_the_dictionary_is_that_of_the_database(engine: Engine) -> None:
    with engine.connect() as connection:
        assert put_in(PAGE, written(connection)) == PAGE, "run python -m tools.dictionary"


def test_there_are_as_many_questions_as_it_says() -> None:
    assert f"{len(QUESTIONS)} questions with their queries" in PAGE
    assert PAGE.partition(BEGIN)[0].count("```sql") == len(QUESTIONS)


@pytest.fixture(scope="module")
def filled(pooled: Engine) -> Iterator[Engine]:
    """Two months of tasks, most of them done, each with an attempt and an event."""
    empty(pooled)
    make(pooled, 8, tags=["import"], payload={"a": 1}, account_id="acme", unique_key=None)
    enter_worker(pooled)
    with transaction(pooled) as connection:
        _fill(connection)
        counts.count(connection, exactly=True)
    yield pooled
    with transaction(pooled) as connection:
        for table in ("tasks", "task_attempts", "task_events"):
            connection.exec_driver_sql(f"TRUNCATE TABLE {table}")
    empty(pooled)


def _fill(connection: Connection) -> None:
    count = 8
    while count < TASKS:
        step = min(count, TASKS - count)
        connection.exec_driver_sql(
            "INSERT INTO tasks (title, queue, account_id, task_type, status, finished_at,"
            " completed_at) SELECT title, IF(id %% 2, 'other', 'more'), CONCAT('a', id %% 50),"
            " task_type, IF(id %% 40, 'done', 'failed'), UTC_TIMESTAMP(6) - INTERVAL 30 DAY,"
            " IF(id %% 40, UTC_TIMESTAMP(6) - INTERVAL 30 DAY, NULL)"
            f" FROM tasks ORDER BY id LIMIT {step}"
        )
        count += step
    minutes = "UTC_TIMESTAMP(6) - INTERVAL (id %% 86400) * 3 MINUTE"
    connection.exec_driver_sql(
        "INSERT INTO task_attempts (task_id, fence, attempt, worker_id, available_at, started_at,"
        f" ended_at, outcome) SELECT id, 1, 1, '{WORKER}', {minutes}, {minutes}, {minutes},"
        " IF(status = 'done', 'succeeded', 'failed') FROM tasks"
    )
    connection.exec_driver_sql(
        "INSERT INTO task_events (task_id, created_at, actor, verb)"
        f" SELECT id, {minutes}, 'ann', 'stop' FROM tasks"
    )
    connection.exec_driver_sql(
        "UPDATE tasks SET status = 'in_progress', fence = 1, worker_id = 'w',"
        " started_at = UTC_TIMESTAMP(6), lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL 5 SECOND"
        " WHERE status = 'to_do' ORDER BY id LIMIT 2"
    )
    for table in ("tasks", "task_attempts", "task_events"):
        connection.exec_driver_sql(f"ANALYZE TABLE {table}").all()


@pytest.mark.parametrize(("question", "query"), QUESTIONS, ids=[each for each, _ in QUESTIONS])
def test_a_query_reads_few_rows(filled: Engine, question: str, query: str) -> None:
    statement = query.replace("%", "%%")
    with filled.connect() as connection:
        connection.exec_driver_sql(statement).all()  # opens the tables, which reads rows too
        connection.exec_driver_sql("FLUSH STATUS")
        connection.exec_driver_sql(statement).all()
        found = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
        read = sum(int(row.Value) for row in found if row.Variable_name in COUNTED)

    assert read <= FEW, question
