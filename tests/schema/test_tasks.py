"""Creating, editing and deleting tasks."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from schema import listing, queues, tasks
from schema.documents import DocumentError
from schema.filters import TaskFilter
from schema.new_task import NewTask
from schema.runtime.transactions import transaction
from schema.states import Priority
from tests.rows import claim, make, row, rows


def test_a_task_with_nothing_but_a_title_gets_the_defaults(engine: Engine) -> None:
    (task_id,) = make(engine, title="only a title")

    found = row(engine, task_id)

    assert found["title"] == "only a title"
    assert (found["status"], found["priority"]) == ("to_do", "中")
    assert (found["timeout_seconds"], found["retry_limit"]) == (300, 3)
    assert (found["queue"], found["task_type"]) == ("default", "default")
    assert (found["current_retry_count"], found["fence"], found["version"]) == (0, 0, 1)
    assert found["created_at"] == found["available_at"] == found["updated_at"]


def test_ids_come_in_the_order_of_the_tasks(engine: Engine) -> None:
    new = [NewTask(title=f"task {number}") for number in range(1_200)]
    with transaction(engine) as connection:
        ids = tasks.create(connection, new)

    found = rows(engine, "SELECT id, title FROM tasks ORDER BY id")
    assert [(each["id"], each["title"]) for each in found] == [
        (task_id, task.title) for task_id, task in zip(ids, new, strict=True)
    ]


def test_ids_are_right_where_numbers_are_given_in_steps(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION auto_increment_increment = 7")
        connection.info.pop("auto_increment_step", None)
        ids = tasks.create(connection, [NewTask(title=str(number)) for number in range(5)])
        titles = [listing.find(connection, task_id) for task_id in ids]
        connection.info.pop("auto_increment_step", None)
        connection.invalidate()

    assert [task["title"] for task in titles if task] == ["0", "1", "2", "3", "4"]


def test_a_wide_batch_is_sent_in_several_statements(engine: Engine) -> None:
    description = "汉" * 15_000
    ids = make(engine, 120, description=description, payload={"text": "x" * 200_000})

    assert len(ids) == 120
    assert row(engine, ids[-1])["description"] == description


def test_text_of_every_kind_comes_back_as_it_was(engine: Engine) -> None:
    title = "任务 🚀 \u202eRTL\u202c e\u0301 'quote\" \\ %s {x} <b>\t\n"
    payload = {"键": ["🚀", "\\", "'", '"', "%", "\u2028", ""], "n": [2**64 - 1, -(2**63), 0.1]}
    (task_id,) = make(engine, title=title, payload=payload, tags=["标签", "🚀", "a b"])

    with engine.connect() as connection:
        found = listing.find(connection, task_id)

    assert found is not None
    assert found["title"] == title
    assert found["payload"] == payload
    assert found["tags"] == ["a b", "标签", "🚀"]


def test_tags_that_differ_by_case_or_emoji_stay_different(engine: Engine) -> None:
    make(engine, tags=["a", "A", "ä", "🚀", "🚁"])

    assert rows(engine, "SELECT COUNT(*) AS n FROM tags") == [{"n": 5}]


def test_a_payload_that_is_not_json_is_refused_and_nothing_is_created(engine: Engine) -> None:
    with pytest.raises(DocumentError):
        make(engine, payload={"a": float("nan")})

    assert rows(engine, "SELECT id FROM tasks") == []


def test_a_queue_comes_to_be_with_its_first_task(engine: Engine) -> None:
    make(engine, queue="new")
    make(engine, queue="new")

    assert rows(engine, "SELECT name FROM queues") == [{"name": "new"}]


def test_a_queue_gives_its_defaults_to_its_tasks(engine: Engine) -> None:
    make(engine, queue="q")
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE queues SET timeout_seconds = 7, retry_limit = 0")
    taken, given = make(engine, queue="q") + make(engine, queue="q", timeout_seconds=9)

    assert (row(engine, taken)["timeout_seconds"], row(engine, taken)["retry_limit"]) == (7, 0)
    assert (row(engine, given)["timeout_seconds"], row(engine, given)["retry_limit"]) == (9, 0)


@pytest.mark.parametrize(
    "task",
    [
        NewTask(title="bare"),
        NewTask(title="empty", description="", payload={}),
        NewTask(title="limited", queue="limited"),
        NewTask(title="says", queue="limited", timeout_seconds=9, retry_limit=0),
        NewTask(title="workflow", task_type="runninghub", payload={"node_info_list": []}),
        NewTask(
            title="later",
            hold=True,
            priority=Priority.HIGH,
            tags=["a", "b"],
            available_at=datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
            due_date=datetime(2031, 1, 1, tzinfo=UTC),
            callback_url="https://example.test/done",
        ),
    ],
    ids=lambda task: task.title,
)
def test_a_task_alone_becomes_what_it_becomes_among_others(engine: Engine, task: NewTask) -> None:
    with transaction(engine) as connection:
        queues.create(connection, "limited", {"timeout_seconds": 77, "retry_limit": 5})
        (alone,) = tasks.create(connection, [task])
        among, _ = tasks.create(connection, [task, NewTask(title="another")])

    with engine.connect() as connection:
        found = [listing.find(connection, task_id) for task_id in (alone, among)]
    assert found[0] is not None
    assert found[1] is not None
    passing = {"id", "created_at", "updated_at"} | (
        set() if task.available_at else {"available_at"}
    )
    differing = {name for name in found[0] if found[0][name] != found[1][name]}
    assert differing <= passing


def test_a_task_is_created_while_its_queue_is_locked(engine: Engine) -> None:
    make(engine, queue="busy")

    with engine.connect() as holder, engine.connect() as creator:
        holder.exec_driver_sql("SELECT 1 FROM queues WHERE name = 'busy' FOR UPDATE").all()
        creator.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
        (task_id,) = tasks.create(creator, [NewTask(title="at once", queue="busy")])
        creator.commit()
        creator.invalidate()

    assert row(engine, task_id)["queue"] == "busy"


def test_a_held_task_is_created_paused(engine: Engine) -> None:
    (task_id,) = make(engine, hold=True)

    assert row(engine, task_id)["status"] == "paused"


def test_a_moment_with_an_offset_is_stored_as_utc(engine: Engine) -> None:
    noon = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=8)))
    (task_id,) = make(engine, due_date=noon, available_at=noon)

    stored = row(engine, task_id)["due_date"].replace(tzinfo=UTC)

    assert stored == noon
    assert row(engine, task_id)["available_at"].replace(tzinfo=UTC) == noon


def test_a_create_joins_the_transaction_of_its_caller(engine: Engine) -> None:
    with engine.connect() as connection:
        tasks.create(connection, [NewTask(title="never")])
        connection.rollback()

    assert rows(engine, "SELECT id FROM tasks") == []


def test_a_constraint_refuses_what_nobody_checked(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="ck_tasks_timeout_range"):
        make(engine, timeout_seconds=0)


def test_an_edit_changes_fields_and_version(engine: Engine) -> None:
    (task_id,) = make(engine, tags=["old"], payload={"a": 1})

    with transaction(engine) as connection:
        changed = tasks.edit(
            connection,
            task_id,
            {"title": "new", "priority": Priority.HIGH, "tags": ["x", "y"], "payload": [1]},
        )
        found = listing.find(connection, task_id)

    assert changed
    assert found is not None
    assert (found["title"], found["priority"], found["version"]) == ("new", "高", 2)
    assert (found["tags"], found["payload"]) == (["x", "y"], [1])


def test_an_edit_moves_a_waiting_task_to_its_new_place(engine: Engine) -> None:
    first, second = make(engine, 2)
    with transaction(engine) as connection:
        tasks.edit(connection, second, {"priority": Priority.HIGH})

    assert [task.id for task in claim(engine, 2)] == [second, first]


def test_an_edit_of_a_task_that_is_not_there_says_so(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert not tasks.edit(connection, 1, {"title": "x"})


class TestListing:
    def ids(self, engine: Engine, **filters: object) -> list[int]:
        with engine.connect() as connection:
            wanted = TaskFilter(**filters)  # type: ignore[arg-type]
            return [task["id"] for task in listing.page(connection, wanted, limit=100).tasks]

    def test_the_newest_come_first(self, engine: Engine) -> None:
        ids = make(engine, 3)

        assert self.ids(engine) == ids[::-1]

    def test_all_filters_must_match_and_any_value_of_each(self, engine: Engine) -> None:
        (one,) = make(engine, queue="a", priority=Priority.HIGH, task_type="t", account_id="x")
        (two,) = make(engine, queue="b", priority=Priority.HIGH, hold=True)
        make(engine, queue="a", priority=Priority.LOW)

        assert self.ids(engine, priority=["高"]) == [two, one]
        assert self.ids(engine, queue=["a", "b"], priority=["高"]) == [two, one]
        assert self.ids(engine, status=["paused"]) == [two]
        assert self.ids(engine, task_type=["t"], account_id=["x", "y"]) == [one]
        assert self.ids(engine, queue=["none"]) == []

    def test_tags_match_any_or_all(self, engine: Engine) -> None:
        (both,) = make(engine, tags=["x", "y"])
        (one,) = make(engine, tags=["x"])
        make(engine, tags=["z"])

        assert self.ids(engine, tag=["x", "y"]) == [one, both]
        assert self.ids(engine, tag=["x", "y"], tag_match="all") == [both]

    def test_pages_go_on_below_an_id(self, engine: Engine) -> None:
        ids = make(engine, 5)
        with engine.connect() as connection:
            first = listing.page(connection, TaskFilter(), limit=2).tasks
            second = listing.page(
                connection, TaskFilter(), limit=2, before_id=first[-1]["id"]
            ).tasks
            skipped = listing.page(connection, TaskFilter(), limit=2, offset=3).tasks

        assert [task["id"] for task in [*first, *second]] == ids[:0:-1]
        assert [task["id"] for task in skipped] == ids[1::-1]

    def test_a_count_stops_at_its_limit(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(engine, 5, queue="a")
        make(engine, 2, queue="b")
        with engine.connect() as connection:
            counted = listing.count(connection, TaskFilter(queue=["b"]))
            monkeypatch.setattr(listing, "COUNT_LIMIT", 4)
            limited = listing.count(connection, TaskFilter())

        assert (counted, limited) == (2, 4)
