"""The command line of the worker, and --check."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from schema.grants import WORKER, Privilege
from schema.runtime.transactions import transaction
from tests.accounts import Account, account
from tests.processes import Running, Start
from tests.rows import make, remove, row, rows
from tests.waiting import wait_for
from tests.worker.command import HANDLERS, ran, status_of, write_module
from tools.servers import Database

NOWHERE = "mysql://root@127.0.0.1:1/none"


def faults(worker: Running) -> list[str]:
    """Return what --check finds fault with."""
    return [line for line in worker.output.read_text().splitlines() if line.startswith("fault ")]


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--twice"], "unrecognized arguments: --twice"),
            (["once"], "unrecognized arguments: once"),
            (["--dr"], "unrecognized arguments: --dr"),
            (["--once", "--drain"], "argument --drain: not allowed with argument --once"),
        ],
    )
    def test_wrong_options_end_with_one_sentence(
        self, start: Start, arguments: list[str], sentence: str
    ) -> None:
        worker = ran(start, *arguments)

        assert worker.wait() == 2
        assert worker.errors.read_text() == f"worker: {sentence}; --help lists the options\n"

    def test_help_needs_no_settings(self, start: Start) -> None:
        worker = ran(start, "--help", DATABASE_URL="")

        assert worker.wait() == 0
        for option in ("--check", "--once", "--drain", "--watch"):
            assert option in worker.output.read_text()

    @pytest.mark.parametrize("option", ["--once", "--drain", "--watch"])
    def test_wrong_settings_end_with_one_sentence(self, start: Start, option: str) -> None:
        worker = ran(start, option, WORKER_CONCURRENCY="0")

        assert worker.wait() == 2
        assert worker.errors.read_text().startswith("worker: WORKER_CONCURRENCY: ")
        assert worker.errors.read_text().count("\n") == 1


class TestCheck:
    def test_a_worker_that_can_work_is_told_what_it_would_run(
        self, start: Start, server: Database
    ) -> None:
        worker = ran(start, "--check")

        assert worker.wait() == 0
        lines = worker.output.read_text().splitlines()
        module = "tests.worker.sample_handlers"
        assert [line for line in lines if not line.startswith("ok ")] == []
        assert (
            f"ok     handler   async.model: coroutine, {module}.async_model, payload Size" in lines
        )
        assert f"ok     handler   def.sleep: process, {module}.sleep" in lines
        assert f"ok     handler   thread.sleep: thread, {module}.sleep" in lines
        assert "ok     queues    *" in lines
        assert f"127.0.0.1:{server.port}/rowlease" in next(
            line for line in lines if line.startswith("ok     database")
        )
        assert "may do what a worker does" in lines[-1]
        assert not worker.errors.read_text()

    def test_a_module_without_handlers_is_doubtful(self, start: Start, tmp_path: Path) -> None:
        worker = ran(start, "--check", **write_module(tmp_path, "empty", "import worker"))

        assert worker.wait() == 0
        lines = worker.output.read_text().splitlines()
        assert "doubt  handlers  the module empty registers no handler" in lines

    def test_it_registers_no_worker(self, engine: Engine, start: Start) -> None:
        ran(start, "--check")

        assert rows(engine, "SELECT id FROM workers") == []

    @pytest.mark.parametrize(
        ("environment", "line"),
        [
            ({"WORKER_CONCURRENCY": "many"}, "fault  settings  WORKER_CONCURRENCY: Input should"),
            ({"WORKER_QUEUES": ","}, "fault  queues    WORKER_QUEUES names no queue"),
            (
                {"WORKER_HANDLERS": "no_such"},
                "fault  handlers  WORKER_HANDLERS: the module no_such",
            ),
            (
                {"DATABASE_URL": NOWHERE},
                "fault  database  127.0.0.1:1/none: Can't connect to MySQL",
            ),
        ],
    )
    def test_a_fault_is_one_line_and_the_exit_code(
        self, start: Start, environment: dict[str, str], line: str
    ) -> None:
        worker = ran(start, "--check", **environment)

        assert worker.wait() == 1
        (fault,) = faults(worker)
        assert fault.startswith(line)
        assert not worker.errors.read_text()

    def test_a_database_that_is_not_migrated_is_a_fault(
        self, engine: Engine, start: Start, server: Database
    ) -> None:
        with transaction(engine) as connection:
            connection.exec_driver_sql("CREATE DATABASE bare")
        try:
            worker = ran(start, "--check", DATABASE_URL=server.url.replace("/rowlease", "/bare"))
        finally:
            with transaction(engine) as connection:
                connection.exec_driver_sql("DROP DATABASE bare")

        assert worker.wait() == 1
        assert "/bare: the database is not migrated" in worker.output.read_text()

    def test_what_the_user_may_not_do_is_named(
        self, engine: Engine, start: Start, server: Database
    ) -> None:
        with account(engine, server, [("tasks", Privilege.SELECT)]) as limited:
            worker = ran(start, "--check", DATABASE_URL=limited.url)

        assert worker.wait() == 1
        found = faults(worker)
        assert "command denied to user 'limited'" in found[0]
        assert "fault  grants    limited@% lacks UPDATE on tasks" in found
        assert "fault  grants    limited@% lacks INSERT on task_attempts" in found
        assert "fault  grants    limited@% lacks SELECT on tasks" not in found

    def test_a_password_is_not_shown(self, start: Start, server: Database) -> None:
        url = server.url.replace("root@", "nobody:geheim@")

        worker = ran(start, "--check", DATABASE_URL=url)

        assert worker.wait() == 1
        assert "Access denied for user 'nobody'" in worker.output.read_text()
        assert "geheim" not in worker.output.read_text()


@pytest.fixture
def as_needed(engine: Engine, server: Database) -> Iterator[Account]:
    """A user who may do what --check asks for, and nothing else."""
    pairs = [(model.__tablename__, each) for model, needed in WORKER.items() for each in needed]
    with account(engine, server, pairs) as one:
        yield one


def test_the_privileges_that_are_checked_are_enough_for_a_worker(
    engine: Engine, start: Start, tmp_path: Path, as_needed: Account
) -> None:
    child = {"title": "child", "queue": "new", "tags": ["new"], "payload": {"a": 1}}
    marks = tmp_path / "marks"
    marks.touch()
    made = {
        "done": make(engine, task_type="async.enqueue", payload=child),
        "saved": make(engine, task_type="async.save", payload={"value": 1}),
        "retried": make(engine, task_type="fail", retry_limit=1),
        "paused": make(engine, task_type="async.raise", payload={"how": "pause"}, queue="paused"),
        "unknown": make(engine, task_type="unknown"),
        "deleted": make(
            engine,
            task_type="async.sleep",
            tags=["old"],
            payload={"seconds": 30, "marks": str(marks)},
        ),
    }
    worker = start("worker", DATABASE_URL=as_needed.url, **HANDLERS)
    wait_for(marks.read_text)
    remove(engine, *made["deleted"])
    wait_for(lambda: not rows(engine, "SELECT id FROM tasks WHERE status = 'in_progress'"))
    wait_for(lambda: status_of(engine, *made["retried"]) == ["failed"])
    wait_for(lambda: rows(engine, "SELECT id FROM tasks WHERE title = 'child' AND status = 'done'"))

    assert worker.stop() == 0

    assert status_of(engine, *made["done"], *made["saved"]) == ["done", "done"]
    assert row(engine, made["saved"][0])["checkpoint"] == "1"
    assert row(engine, made["deleted"][0]) == {}
    assert rows(engine, "SELECT name FROM queues WHERE is_paused = 1") == [{"name": "paused"}]
    assert "denied" not in worker.output.read_text()


def test_a_check_that_waits_for_an_answer_stops_on_sigterm(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        worker = start("worker", "--check", DATABASE_URL=f"mysql://root@127.0.0.1:{port}/none")
        connection, _ = silent.accept()
        with connection:
            assert worker.stop() == 0
