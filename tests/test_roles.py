"""schema/grants.sql: each role may do its work, and nothing else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from api.main import build
from schema import grants
from schema.grants import REAPER, WORKER, Needs
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.errors import DENIED, error_code
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from tests.api.requests import create, local_client
from tests.conftest import ROOT
from tests.processes import Start
from tests.rows import age_leases, claim, limit, make, row, rows
from tests.schedule_rows import let_fall_due, make_schedule
from tests.waiting import wait_for
from tools.servers import Database

Url = Callable[[str], str]

DENIED_TOO = DENIED | {1370}
"""1370: not allowed to execute a procedure."""


def apply(engine: Engine) -> None:
    """Run the file as the server's client does."""
    lines = (ROOT / "schema/grants.sql").read_text().splitlines()
    text = "\n".join(line.split("--")[0] for line in lines)
    with transaction(engine) as connection:
        for statement in filter(None, map(str.strip, text.split(";"))):
            connection.exec_driver_sql(statement)


@pytest.fixture
def url(engine: Engine, server: Database) -> Iterator[Url]:
    """Makes a user with a role, and returns where and as whom to connect."""
    apply(engine)
    word = "TO" if server.kind == "mysql" else "FOR"
    users: list[str] = []

    def say(*statements: str) -> None:
        with transaction(engine) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def make_user(role: str) -> str:
        user = f"some_{role}"
        users.append(user)
        say(
            f"CREATE USER {user}",
            f"GRANT {role} TO {user}",
            f"SET DEFAULT ROLE {role} {word} {user}",
        )
        return server.url.replace("root@", f"{user}@")

    yield make_user
    say(*(f"DROP USER {user}" for user in users))


@pytest.fixture
def connected(url: Url) -> Iterator[Callable[[str], Engine]]:
    """Makes an engine of a user with a role."""
    engines: list[Engine] = []

    def make_engine(role: str) -> Engine:
        engines.append(create_thread_engine(DatabaseAddress.parse(url(role))))
        return engines[-1]

    yield make_engine
    for one in engines:
        one.dispose()


def is_denied(engine: Engine, statement: str) -> bool:
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql(statement)
        except DBAPIError as error:
            return error_code(error) in DENIED_TOO
    return False


def test_the_file_can_be_run_again(engine: Engine) -> None:
    apply(engine)
    apply(engine)


@pytest.mark.parametrize(
    ("role", "needs"), [("rowlease_worker", WORKER), ("rowlease_reaper", REAPER)]
)
def test_a_process_has_all_that_it_needs(
    connected: Callable[[str], Engine], role: str, needs: Needs
) -> None:
    with connected(role).connect() as connection:
        assert list(grants.refused(connection, needs)) == []


def test_a_reader_reads_every_table_and_view_and_changes_nothing(
    engine: Engine, connected: Callable[[str], Engine]
) -> None:
    make(engine)
    reader = connected("rowlease_reader")
    names = [name for each in rows(engine, "SHOW TABLES") for name in each.values()]

    assert not any(is_denied(reader, f"SELECT 1 FROM {name} LIMIT 1") for name in names)
    assert not is_denied(reader, "EXPLAIN SELECT * FROM v_waiting WHERE id = 1")
    assert rows(reader, "SELECT position FROM v_waiting") == [{"position": 1}]
    for statement in (
        "UPDATE tasks SET title = 'x'",
        "DELETE FROM task_attempts",
        "CALL p_stop_task(1, NULL)",
        "DROP VIEW v_waiting",
    ):
        assert is_denied(reader, statement)


def test_an_operator_intervenes_by_the_procedures_alone(
    engine: Engine, connected: Callable[[str], Engine]
) -> None:
    (task_id,) = make(engine, queue="q")
    operator = connected("rowlease_operator")

    with operator.connect() as connection:
        connection.exec_driver_sql(f"CALL p_stop_task({task_id}, 'by hand')")
        connection.exec_driver_sql(f"CALL p_start_task({task_id}, 'again')")
        connection.exec_driver_sql("CALL p_pause_queue('q', 'by hand')")
        connection.exec_driver_sql("CALL p_resume_queue('q', NULL)")

    assert is_denied(operator, "UPDATE tasks SET title = 'x'")
    actors = {each["actor"] for each in rows(engine, "SELECT actor FROM task_events")}
    assert {actor.split("@")[0] for actor in actors} == {"some_rowlease_operator"}


def test_a_worker_works_with_its_role(engine: Engine, start: Start, url: Url) -> None:
    ids = make(engine, 3, payload={"a": 1}, tags=["t"])
    worker = start("worker", DATABASE_URL=url("rowlease_worker"))

    wait_for(lambda: all(row(engine, task_id)["status"] == "done" for task_id in ids))

    assert worker.stop() == 0
    assert [line for line in worker.log() if line["level"] not in {"info", "warning"}] == []


def test_a_reaper_works_with_its_role(engine: Engine, start: Start, url: Url) -> None:
    (task_id,) = make(engine)
    claim(engine)
    age_leases(engine, task_id)
    let_fall_due(engine, make_schedule(engine, interval=3600, tags=["t"], payload={"a": 1}))
    limit(engine, "q", is_paused=1, paused_at="'2026-01-01'", resume_at="'2026-01-01'")
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO idempotency_keys (`key`, principal, fingerprint, created_at)"
            " VALUES ('k', 'p', 'f', '2020-01-01')"
        )
    reaper = start("reaper", DATABASE_URL=url("rowlease_reaper"), REAPER_INTERVAL_SECONDS="0.1")

    wait_for(lambda: row(engine, task_id)["status"] == "retrying")
    wait_for(lambda: rows(engine, "SELECT id FROM tasks WHERE schedule_id IS NOT NULL"))
    wait_for(lambda: rows(engine, "SELECT name FROM queues WHERE is_paused = 0 AND name = 'q'"))
    wait_for(lambda: rows(engine, "SELECT queue FROM queue_counts"))

    assert reaper.stop() == 0
    assert [line for line in reaper.log() if line["level"] not in {"info", "warning"}] == []


@pytest.fixture
def web(engine: Engine, url: Url) -> Iterator[TestClient]:  # noqa: ARG001  # empties the tables
    """The API as the user that it should have."""
    chosen = Settings(database_url=url("rowlease_api"))
    with local_client(build(lambda: chosen)) as client:
        yield client


CALLS: list[tuple[str, str, Any]] = [
    ("PATCH", "/tasks/{id}", {"title": "b", "payload": {"a": 2}, "tags": ["y"]}),
    ("POST", "/tasks/{id}/pause", {"reason": "why not"}),
    ("POST", "/tasks/{id}/resume", {}),
    ("POST", "/tasks/{id}/reorder", {"to": "first"}),
    ("GET", "/tasks/{id}", None),
    ("GET", "/tasks/{id}/status", None),
    ("GET", "/tasks/{id}/timeline", None),
    ("GET", "/tasks?tag=y", None),
    ("POST", "/tasks/batch", {"tasks": [{"title": "c"}]}),
    ("POST", "/tasks/batch/stop", {"filter": {"queue": "default"}}),
    ("DELETE", "/tasks/{id}", None),
    ("PATCH", "/tags/y", {"name": "z"}),
    ("DELETE", "/tags/z", None),
    ("POST", "/schedules", {"name": "s", "interval": 60}),
    ("GET", "/schedules", None),
    ("POST", "/queues", {"name": "q", "max_concurrency": 1}),
    ("PATCH", "/queues/q", {"max_concurrency": 2}),
    ("POST", "/queues/q/pause", {}),
    ("POST", "/queues/q/resume", {}),
    ("DELETE", "/queues/q", None),
    ("POST", "/dispatcher/stop", {}),
    ("POST", "/dispatcher/start", {}),
    ("GET", "/dispatcher/status", None),
    ("GET", "/workers", None),
    ("GET", "/readyz", None),
]


def test_the_api_works_with_its_role(web: TestClient) -> None:
    task = create(web, tags=["x"], payload={"a": 1}, unique_key="u")

    for method, path, body in CALLS:
        headers = {"idempotency-key": path} if method == "POST" else {}
        response = web.request(method, path.format(**task), json=body, headers=headers)
        assert response.status_code < 300, (method, path, response.text)


def test_work_over_http_needs_no_more_than_the_apis_role(web: TestClient) -> None:
    create(web)
    order = {"worker_id": "w", "queues": ["*"], "task_types": ["default"], "slots": 1}

    (claimed,) = web.post("/claims", json=order).json()
    settlement = {"id": claimed["id"], "fence": claimed["fence"], "outcome": "succeeded"}
    settled = web.post("/settlements", json={"worker_id": "w", "settlements": [settlement]})

    assert settled.status_code == 200, settled.text
