"""Finding tasks among many: each filter by itself, and what a page of it costs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import listing
from schema.filters import TaskFilter
from schema.limits import COUNT_LIMIT
from schema.runtime.transactions import transaction
from tests.conftest import empty
from tests.rows import change, claim, fail, make, rows
from tests.schema.test_plans import rows_read

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def ids(engine: Engine, *, limit: int = 100, **filters: Any) -> list[int]:
    """Return the ids of all pages, and check that pages neither overlap nor leave gaps."""
    found: list[int] = []
    place: listing.Place | None = listing.Place()
    while place is not None:
        with engine.connect() as connection:
            page = listing.page(
                connection,
                TaskFilter(**filters),
                limit=limit,
                offset=place.offset,
                before_id=place.before_id,
            )
        found += [task["id"] for task in page.tasks]
        place = page.next
    assert found == sorted(set(found), reverse=True)
    return found


@pytest.fixture(params=["all at once", "in small steps"])
def step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How many rows a page examines: never so few that it does not get on."""
    if request.param == "in small steps":
        monkeypatch.setattr(listing, "MOST_EXAMINED", 4)
    return str(request.param)


@pytest.mark.usefixtures("step")
class TestEachFilter:
    def test_digits_are_an_id_and_all_else_a_beginning(self, engine: Engine) -> None:
        (first,) = make(engine, title="7 days")
        (second,) = make(engine, title="100% of a_b")
        (third,) = make(engine, title="Report \\ 日报")

        assert ids(engine, q=str(second)) == [second]
        assert ids(engine, q="7") == ids(engine, q=str(10**25)) == []
        assert ids(engine, q="7 ") == [first]
        assert ids(engine, q="100%") == [second]
        assert ids(engine, q="%") == ids(engine, q="100_") == ids(engine, q="report") == []
        assert ids(engine, q="Report \\ 日") == [third]

    def test_a_batch_an_error_and_a_schedule_are_found(self, engine: Engine) -> None:
        one, two, _ = make(engine, 3, retry_limit=0)
        fail(engine, *claim(engine, 1))
        change(engine, two, "batch_id = 7, schedule_id = 8")

        assert ids(engine, error_class=["ValueError", "KeyError"]) == [one]
        assert ids(engine, batch_id=[7]) == ids(engine, schedule_id=[8]) == [two]
        assert ids(engine, batch_id=[7], error_class=["ValueError"]) == []

    def test_a_span_of_creation_has_its_beginning_and_not_its_end(self, engine: Engine) -> None:
        old, new = make(engine, 2)
        change(engine, old, "created_at = '2026-01-01'")
        change(engine, new, "created_at = '2026-01-02'")
        first, second = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))

        assert ids(engine, created_after=first, created_before=second) == [old]
        assert ids(engine, created_after=second) == [new]
        assert ids(engine, created_before=first) == []

    def test_what_is_finished_or_has_no_date_is_never_overdue(self, engine: Engine) -> None:
        (late,) = make(engine, due_date=NOW - DAY)
        (done,) = make(engine, due_date=NOW - DAY)
        (early, dateless) = (*make(engine, due_date=NOW + DAY), *make(engine))
        change(engine, done, "status = 'cancelled', finished_at = NOW(6)")

        assert ids(engine, overdue=True) == [late]
        assert ids(engine, overdue=False) == [dateless, early, done]

    def test_values_of_one_filter_are_merged_newest_first(self, engine: Engine) -> None:
        made = [
            make(engine, queue=queue, account_id=account, tags=[queue, account], hold=hold)[0]
            for queue in "pqr"
            for account in "abc"
            for hold in (True, False)
        ]
        newest = made[::-1]

        assert ids(engine, limit=4, status=["to_do", "paused"]) == newest
        assert ids(engine, limit=4, queue=["r", "p", "q", "none", "p"]) == newest
        assert ids(engine, limit=4, account_id=["b", "a", "c"]) == newest
        assert ids(engine, limit=4, tag=["a", "b", "c", "p"]) == newest
        assert ids(engine, limit=4, status=["paused"]) == newest[1::2]
        assert ids(engine, queue=["p", "q"], status=["to_do"], tag=["a"]) == [made[7], made[1]]

    def test_an_offset_is_skipped_however_many_pages_that_takes(self, engine: Engine) -> None:
        make(engine, 9, priority="中")
        wanted = make(engine, 4, priority="低")
        make(engine, 9, priority="中")
        place: listing.Place | None = listing.Place(offset=2)
        found: list[int] = []
        while place is not None:
            with engine.connect() as connection:
                page = listing.page(
                    connection,
                    TaskFilter(priority=["低"]),
                    limit=3,
                    offset=place.offset,
                    before_id=place.before_id,
                )
            found += [task["id"] for task in page.tasks]
            place = page.next

        assert found == wanted[1::-1]


def test_filters_that_exclude_each_other_find_nothing(engine: Engine) -> None:
    make(engine)

    assert ids(engine, status=["to_do"], state=["SUCCESS"]) == []


def test_a_status_in_more_queues_than_are_merged_is_found_by_a_walk(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schema.ranges.MOST_QUEUES", 2)
    made = [make(engine, queue=queue, hold=True)[0] for queue in "pqr"]
    make(engine)

    assert ids(engine, status=["paused"]) == made[::-1]


def test_a_status_of_few_queues_is_found_among_many(engine: Engine) -> None:
    for number in range(150):
        make(engine, queue=f"q{number}")
    held = [make(engine, queue=f"q{number}", hold=True)[0] for number in (7, 140, 9)]

    with engine.connect() as connection:
        connection.exec_driver_sql("FLUSH STATUS")
        page = listing.page(connection, TaskFilter(status=["paused"]), limit=2)
        read = rows_read(connection)

    assert [task["id"] for task in page.tasks] == held[:0:-1]
    assert read <= 2 * 150 + 20


def test_a_filter_goes_through_json_and_comes_back() -> None:
    wanted = TaskFilter(q="a", overdue=False, created_after=NOW, batch_id=[1], tag=["x"])

    assert TaskFilter.of(wanted.words()) == wanted
    assert TaskFilter().words() == {}


SIZE = 40_000
LIMIT = 50
EXAMINED = 2_000


@pytest.fixture(scope="module")
def many(pooled: Engine) -> Iterator[Engine]:
    """Many tasks, finished ones mostly, with tags and accounts."""
    empty(pooled)
    for queue in "ab":
        make(pooled, queue=queue, tags=["x"], account_id="acc")
    count = 2
    with transaction(pooled) as connection:
        while count < SIZE:
            connection.exec_driver_sql(
                "INSERT INTO tasks (title, status, finished_at, queue, priority, account_id,"
                " schedule_id) SELECT 'many', IF(id %% 3, 'failed', 'to_do'),"
                " IF(id %% 3, NOW(6), NULL), queue, 1 + id %% 3, 'acc', 1 FROM tasks"
            )
            count *= 2
        connection.exec_driver_sql(
            "INSERT IGNORE INTO task_tags (task_id, tag_id) SELECT tasks.id, tags.id"
            " FROM tasks JOIN tags"
        )
        connection.exec_driver_sql("ANALYZE TABLE tasks, task_tags, tags").all()
    yield pooled
    with transaction(pooled) as connection:
        connection.exec_driver_sql("TRUNCATE TABLE tasks")
        connection.exec_driver_sql("TRUNCATE TABLE task_tags")


COSTS: dict[str, tuple[dict[str, Any], int]] = {
    "all": ({}, LIMIT),
    "a status": ({"status": ["failed"]}, 5 * LIMIT),
    "a state": ({"state": ["PENDING"]}, 5 * LIMIT),
    "a queue": ({"queue": ["a"]}, 8 * LIMIT),
    "two queues of a status": ({"queue": ["a", "b"], "status": ["to_do"]}, 5 * LIMIT),
    "an account": ({"account_id": ["acc"]}, LIMIT),
    "a schedule": ({"schedule_id": [1]}, LIMIT),
    "a tag": ({"tag": ["x"]}, 2 * LIMIT),
    "an id": ({"q": "5"}, 1),
    "a priority": ({"priority": ["高"]}, EXAMINED),
    "nothing": ({"task_type": ["none"]}, EXAMINED),
    "a title": ({"q": "none"}, EXAMINED),
    "overdue": ({"overdue": True}, EXAMINED),
    "an error in a status": ({"status": ["failed"], "error_class": ["none"]}, EXAMINED),
    "a status of an account": ({"account_id": ["acc"], "status": ["done"]}, EXAMINED),
    "a title in a tag": ({"tag": ["x"], "q": "none"}, EXAMINED),
}


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("far", [False, True])
def test_a_page_looks_at_what_it_shows_or_at_so_many_rows(
    many: Engine, monkeypatch: pytest.MonkeyPatch, name: str, *, far: bool
) -> None:
    monkeypatch.setattr(listing, "MOST_EXAMINED", EXAMINED)
    filters, most = COSTS[name]
    (last,) = rows(many, "SELECT MAX(id) AS id FROM tasks")
    before_id = int(last["id"]) // 2 if far else None
    with many.connect() as connection:
        connection.exec_driver_sql("FLUSH STATUS")
        page = listing.page(connection, TaskFilter(**filters), limit=LIMIT, before_id=before_id)
        read = rows_read(connection)

    of_tags = 2 * len(page.tasks)
    assert read <= most + of_tags + 5
    assert page.next is not None or name == "an id"


def test_callbacks_that_lie_between_are_examined_like_others(
    many: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_EXAMINED", EXAMINED)
    with many.connect() as connection:
        [last] = connection.exec_driver_sql("SELECT MAX(id) FROM tasks").scalars()
        hidden = "UPDATE tasks SET queue = 'callbacks' WHERE id > %s"
        connection.exec_driver_sql(hidden, (last - 2 * EXAMINED,))
        before = rows_read(connection)
        page = listing.page(connection, TaskFilter(), limit=LIMIT)
        read = rows_read(connection) - before
        connection.rollback()

    assert read <= EXAMINED + 5
    assert not page.tasks
    assert page.next is not None


def test_a_total_is_counted_among_the_newest_where_no_index_tells(
    many: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MOST_COUNTED_OVER", EXAMINED)
    with many.connect() as connection:
        assert listing.count(connection, TaskFilter(queue=["a"])) == COUNT_LIMIT
        assert 0 < listing.count(connection, TaskFilter(priority=["高"])) < EXAMINED
