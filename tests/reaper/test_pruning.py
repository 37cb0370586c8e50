"""Retention: what goes, what stays, and that nobody waits for it."""

import gzip
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from reaper import archiving, pruning
from reaper.pruning import Pruning
from schema import retention
from schema.models import metadata
from schema.retention import Keep
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from tests.processes import Start
from tests.rows import WORKER, change, claim, fail, limit, make, remove, row, rows, succeed
from tests.schema.test_counts import put
from tests.schema.test_views import enter_worker
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "REST", 0)


def prune(engine: Engine, *, archive: str | None = None, **days: int) -> None:
    Pruning(engine, Keep(**days), threading.Event(), archive)()


@pytest.mark.parametrize(
    ("seconds", "rest"),
    [
        (0.02, 0.08),  # four times as long as the page took
        (0.3, 0.2),  # but a million rows shall go within half an hour
        (0.9, 0.0),
    ],
)
def test_it_rests_in_proportion_but_not_too_long(
    monkeypatch: pytest.MonkeyPatch, seconds: float, rest: float
) -> None:
    monkeypatch.setattr(pruning, "REST", 4)
    monkeypatch.setattr(pruning, "LEAST_PER_SECOND", 1_000)
    assert pruning.rest_after(seconds, 500) == pytest.approx(rest)


def ended(engine: Engine, status: str, days: float, **fields: Any) -> int:
    """Make a task that ended so many days ago."""
    (task_id,) = make(engine, **fields)
    put(engine, task_id, status)
    change(engine, task_id, f"finished_at = UTC_TIMESTAMP(6) - INTERVAL {days * 24} HOUR")
    return task_id


def left(engine: Engine) -> set[int]:
    return {each["id"] for each in rows(engine, "SELECT id FROM tasks")}


def test_what_has_been_kept_for_long_enough_goes(engine: Engine) -> None:
    for status, days in (("done", 31), ("failed", 91), ("cancelled", 91)):
        ended(engine, status, days)
    stay = {
        ended(engine, status, days)
        for status, days in (("done", 29), ("failed", 89), ("cancelled", 89))
    }

    prune(engine)

    assert left(engine) == stay


@pytest.mark.parametrize("status", ["to_do", "retrying", "paused"])
def test_what_has_not_ended_stays_however_old_it_is(engine: Engine, status: str) -> None:
    (task_id,) = make(engine)
    put(engine, task_id, status)
    change(engine, task_id, "created_at = '2020-01-01', available_at = '2020-01-01'")

    prune(engine)

    assert left(engine) == {task_id}


def test_a_queue_may_keep_its_tasks_shorter_longer_or_for_ever(engine: Engine) -> None:
    limit(engine, "short", retention_days=1, retention_failed_days=2)
    limit(engine, "ever", retention_days=0, retention_failed_days=0)
    ended(engine, "done", 1.5, queue="short")
    ended(engine, "failed", 2.5, queue="short")
    stay = {
        ended(engine, "failed", 1.5, queue="short"),
        ended(engine, "done", 999, queue="ever"),
        ended(engine, "cancelled", 999, queue="ever"),
    }

    prune(engine)

    assert left(engine) == stay


def test_zero_days_keep_for_ever(engine: Engine) -> None:
    stay = {ended(engine, "done", 999)}
    ended(engine, "failed", 999)

    prune(engine, done_days=0, failed_days=1)

    assert left(engine) == stay


def test_all_that_belongs_to_a_task_goes_with_it(engine: Engine) -> None:
    make(engine, payload={"a": 1}, tags=["x"], retry_limit=1)
    (task,) = claim(engine)
    fail(engine, task)
    succeed(engine, *claim(engine))
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"INSERT INTO task_files VALUES ({task.id}, 1)")
        connection.exec_driver_sql(
            f"INSERT INTO task_events (task_id, actor, verb) VALUES ({task.id}, 'ann', 'stop')"
        )
    change(engine, task.id, "finished_at = '2020-01-01'")

    prune(engine)

    for table in metadata.tables.values():
        if "task_id" in table.columns or table.name == "tasks":
            assert rows(engine, f"SELECT * FROM {table.name}") == [], table.name


def test_what_is_left_of_deleted_tasks_goes_in_time(engine: Engine) -> None:
    make(engine, 2)
    old, new = claim(engine, 2)
    succeed(engine, old, new)
    remove(engine, old.id, new.id)
    with transaction(engine) as connection:
        for table, moment in (("task_attempts", "ended_at"), ("task_events", "created_at")):
            connection.exec_driver_sql(
                f"UPDATE {table} SET {moment} = '2020-01-01' WHERE task_id = {old.id}"
            )

    prune(engine)

    for table in ("task_attempts", "task_events"):
        assert rows(engine, f"SELECT task_id FROM {table}") == [{"task_id": new.id}]


def test_attempts_of_tasks_that_are_kept_stay(engine: Engine) -> None:
    make(engine, retry_limit=1)
    fail(engine, *claim(engine))
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE task_attempts SET ended_at = '2020-01-01'")

    prune(engine)

    assert len(rows(engine, "SELECT task_id FROM task_attempts")) == 1


def test_workers_that_ended_long_ago_go(engine: Engine) -> None:
    for worker_id in ("old", "new", WORKER):
        enter_worker(engine, worker_id)
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE workers SET status = 'dead', ended_at = NOW(6) WHERE id IN ('old', 'new')"
        )
        connection.exec_driver_sql(
            "UPDATE workers SET last_heartbeat_at = '2020-01-01' WHERE id <> 'new'"
        )

    prune(engine)

    assert {each["id"] for each in rows(engine, "SELECT id FROM workers")} == {"new", WORKER}


def test_many_pages_are_walked_and_what_is_kept_among_them_stays(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "WALK", 7)
    monkeypatch.setattr(pruning, "PAGE", 3)
    ids = make(engine, 50)
    with transaction(engine) as connection:
        connection.exec_driver_sql(
            "UPDATE tasks SET status = 'done', completed_at = '2020-01-01',"
            " finished_at = '2020-01-01' WHERE id %% 5 > 0"
        )

    prune(engine)

    assert left(engine) == {task_id for task_id in ids if task_id % 5 == 0}


def test_a_task_that_somebody_has_locked_is_left_for_the_next_time(engine: Engine) -> None:
    held, free = ended(engine, "done", 99), ended(engine, "done", 99)
    with engine.connect() as other:
        other.exec_driver_sql(f"SELECT id FROM tasks WHERE id = {held} FOR UPDATE").all()

        prune(engine)

        assert left(engine) == {held}
        other.rollback()
    assert row(engine, free) == {}
    prune(engine)
    assert left(engine) == set()


def test_a_task_that_was_started_after_the_look_stays(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = ended(engine, "failed", 99)
    look = retention.walk

    def walk(*arguments: Any) -> Any:
        stretch = look(*arguments)
        change(engine, task_id, "status = 'to_do', finished_at = NULL")
        return stretch

    monkeypatch.setattr(retention, "walk", walk)

    prune(engine)

    assert left(engine) == {task_id}


def test_claims_go_on_beside_a_pruning_under_way(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        ended(engine, "done", 99)
    waiting = make(engine, 3)
    claimed: list[int] = []
    erase = retention.erase

    def erase_and_claim(*arguments: Any) -> None:
        erase(*arguments)  # the rows are locked, and gone, but nothing is committed
        claimed.extend(task.id for task in claim(engine, 3))
        make(engine)

    monkeypatch.setattr(retention, "erase", erase_and_claim)

    prune(engine)

    assert claimed == waiting


def test_a_pruning_ends_when_the_reaper_is_told_to(engine: Engine) -> None:
    ended(engine, "done", 99)
    stop = threading.Event()
    stop.set()

    Pruning(engine, Keep(), stop)()

    assert len(left(engine)) == 1


def test_the_reaper_prunes_soon_after_its_start(engine: Engine, start: Start) -> None:
    ended(engine, "done", 3)
    reaper = start("reaper", RETENTION_DAYS="2")
    reaper.wait_for_event("reaper started")

    wait_for(lambda: not left(engine), seconds=10)

    assert reaper.stop() == 0


class TestArchive:
    @pytest.fixture
    def task_id(self, engine: Engine) -> int:
        """A task with all that one can have, done long ago."""
        make(engine, payload={"词": [1, 2.5]}, tags=["x", "标签"], account_id="a", retry_limit=1)
        fail(engine, *claim(engine))
        (task,) = claim(engine)
        succeed(engine, task)
        with transaction(engine) as connection:
            connection.exec_driver_sql(
                "INSERT INTO task_events (task_id, actor, verb, reason)"
                f" VALUES ({task.id}, 'ann', 'reorder', '为什么')"
            )
        change(engine, task.id, "finished_at = '2020-01-01', progress = 12.5, checkpoint = '[1]'")
        return task.id

    def everything(self, engine: Engine) -> dict[str, Any]:
        tables = ("tasks", "task_payloads", "task_attempts", "task_events", "task_tags", "tags")
        return {name: rows(engine, f"SELECT * FROM {name} ORDER BY 1, 2") for name in tables}

    def test_what_is_pruned_is_exported_and_can_be_put_back(
        self, engine: Engine, database_url: str, task_id: int, tmp_path: Path
    ) -> None:
        before = self.everything(engine)
        folder = f"file://{tmp_path}/archive"

        prune(engine, archive=folder)
        assert left(engine) == set()
        code = archiving.load(lambda: Settings(database_url=database_url), folder)

        assert (code, left(engine)) == (0, {task_id})
        assert self.everything(engine) == before

    def test_the_files_are_lines_of_json(
        self, engine: Engine, task_id: int, tmp_path: Path
    ) -> None:
        prune(engine, archive=str(tmp_path))

        (file,) = tmp_path.glob("*/*.ndjson.gz")
        (document,) = map(orjson.loads, gzip.decompress(file.read_bytes()).splitlines())
        assert document["task"]["id"] == task_id
        assert document["tags"] == ["x", "标签"]
        assert [each["outcome"] for each in document["attempts"]] == ["failed", "succeeded"]

    def test_what_is_there_already_stays_as_it_is(
        self, engine: Engine, database_url: str, task_id: int, tmp_path: Path
    ) -> None:
        prune(engine, archive=str(tmp_path))

        def load() -> None:
            archiving.load(lambda: Settings(database_url=database_url), str(tmp_path))

        load()
        change(engine, task_id, "title = 'changed'")
        load()

        assert row(engine, task_id)["title"] == "changed"

    def test_what_cannot_be_exported_is_not_pruned(
        self, engine: Engine, task_id: int, tmp_path: Path
    ) -> None:
        in_the_way = tmp_path / "file"
        in_the_way.touch()

        with pytest.raises(OSError, match="file"):
            prune(engine, archive=str(in_the_way))

        assert left(engine) == {task_id}

    def test_the_command_says_how_many_it_put_back(
        self, engine: Engine, task_id: int, tmp_path: Path, start: Start
    ) -> None:
        prune(engine, archive=str(tmp_path))

        loading = start("reaper", "--load", str(tmp_path))

        assert loading.wait() == 0
        assert loading.output.read_text().startswith("1 tasks in 1 files, 1 put back\n")
        assert left(engine) == {task_id}
