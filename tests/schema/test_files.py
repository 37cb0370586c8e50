"""Rows of files, which tasks refer to them, and when they may go."""

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from reaper.firing import fire as fire_due
from schema import file_references, files, schedules, tasks
from schema.attempts import Succeeded
from schema.file_references import FilesMissingError, references
from schema.files import FileInUseError, FileMissingError, NewFile
from schema.new_task import NewTask
from schema.runtime.files import FileStore
from schema.runtime.transactions import run, transaction
from tests.files import age_file, content_of, file_row, referring, stored
from tests.rows import claim, end, ended, fail, make, remove, rows, succeed, wait_until_blocked
from tests.schedule_rows import change_schedule, fire, let_fall_due, make_schedule, tasks_of

SHA = "a" * 64
DAYS = 7


@pytest.fixture
def store() -> FileStore:
    return FileStore(f"memory://{uuid.uuid4()}")


def enter(engine: Engine, sha256: str = SHA, name: str = "a.txt") -> tuple[int, bool]:
    new = NewFile(sha256, 3, name, "text/plain")
    return run(engine, lambda connection: files.register(connection, new))


def entered(engine: Engine, count: int) -> list[int]:
    return [enter(engine, f"{number:064x}")[0] for number in range(count)]


def unused(engine: Engine) -> list[int]:
    return run(engine, lambda connection: files.unused(connection, DAYS, 100))


def prune(engine: Engine, file_id: int) -> str | None:
    return run(engine, lambda connection: files.remove_unused(connection, file_id, DAYS))


def drop(engine: Engine, file_id: int) -> str:
    return run(engine, lambda connection: files.remove(connection, file_id))


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (None, {}),
        ({"file": 7}, {7: "/file"}),
        (
            {"a": [{"file": 7}, {"b/~c": {"file": 8, "x": 1}}]},
            {7: "/a/0/file", 8: "/a/1/b~1~0c/file"},
        ),
        ([{"file": 7}, {"file": 7}], {7: "/0/file"}),
        ({"file": {"file": 7}}, {7: "/file/file"}),
        ({"file": "7"}, {}),
        ({"file": True, "files": 7, "x": ["file", 7]}, {}),
        ({"file": 7.0}, {}),
    ],
)
def test_a_reference_is_a_member_file_with_a_number(payload: Any, found: dict[int, str]) -> None:
    assert references(payload) == found


def test_the_same_bytes_are_one_file(engine: Engine) -> None:
    first = enter(engine, name="a.txt")
    age_file(engine, first[0], 5)

    again = enter(engine, name="b.txt")
    other = enter(engine, "b" * 64)

    assert (first[1], again, other[1]) == (True, (first[0], False), True)
    row = file_row(engine, first[0])
    assert (row["name"], row["size_bytes"]) == ("a.txt", 3)
    assert datetime.now(UTC).replace(tzinfo=None) - row["last_used_at"] < timedelta(hours=1)  # type: ignore[operator]  # it is a datetime


def test_a_file_that_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(FileMissingError, match="there is no file 9"):
        run(engine, lambda connection: files.find(connection, 9))
    with pytest.raises(FileMissingError):
        drop(engine, 9)


def test_a_task_refers_to_the_files_of_its_payload(engine: Engine) -> None:
    one, two, _ = entered(engine, 3)

    with transaction(engine) as connection:
        first, second, third = tasks.create(
            connection,
            [
                NewTask(title="a", payload={"in": {"file": one}, "mask": [{"file": two}]}),
                NewTask(title="b", payload={"in": {"file": one}, "again": {"file": one}}),
                NewTask(title="c", payload={"in": one}),
            ],
        )

    assert referring(engine) == {(first, one), (first, two), (second, one)}
    assert third not in {task_id for task_id, _ in referring(engine)}


def test_a_task_that_refers_to_a_missing_file_is_not_created(engine: Engine) -> None:
    [there] = entered(engine, 1)
    new = [
        NewTask(title="a", queue="new", payload={"file": there}),
        NewTask(title="b", payload={"x": [{"file": there + 1}, {"file": -1}]}),
    ]

    with pytest.raises(FilesMissingError) as caught, transaction(engine) as connection:
        tasks.create(connection, new)

    missing = [(each.at, each.pointer, each.file_id) for each in caught.value.missing]
    assert missing == [(1, "/x/0/file", there + 1), (1, "/x/1/file", -1)]
    assert rows(engine, "SELECT id FROM tasks") == []
    assert referring(engine) == set()


def test_payloads_without_files_cost_no_statement(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_references, "_USE", None)
    monkeypatch.setattr(file_references, "_THERE", None)

    make(engine, 3, payload={"a": "file", "profile": 7})
    [claimed] = claim(engine)
    end(engine, ended(claimed, Succeeded('{"files":[7]}')))

    assert referring(engine) == set()


def test_a_new_payload_takes_the_place_of_the_old_one(engine: Engine) -> None:
    one, two, three = entered(engine, 3)
    [task_id] = make(engine, payload=[{"file": one}, {"file": two}])

    def edit(payload: Any) -> bool:
        return run(engine, lambda connection: tasks.edit(connection, task_id, {"payload": payload}))

    assert edit([{"file": two}, {"file": three}])
    assert referring(engine) == {(task_id, two), (task_id, three)}
    with pytest.raises(FilesMissingError):
        edit({"file": three + 1})
    assert referring(engine) == {(task_id, two), (task_id, three)}
    assert edit(None)
    assert referring(engine) == set()


def test_a_done_task_refers_to_the_files_of_its_result(engine: Engine) -> None:
    [file_id] = entered(engine, 1)
    make(engine, 2)
    first, second = claim(engine, 2)

    refused = end(
        engine,
        ended(first, Succeeded(f'{{"picture":{{"file":{file_id}}},"gone":{{"file":999}}}}')),
        ended(second, Succeeded('{"file":999}')),
    )

    assert refused == []
    assert referring(engine) == {(first.id, file_id)}


def test_a_task_that_was_deleted_while_it_ran_refers_to_nothing(engine: Engine) -> None:
    [file_id] = entered(engine, 1)
    make(engine, payload={"file": file_id})
    [claimed] = claim(engine)
    remove(engine, claimed.id)
    assert referring(engine) == {(claimed.id, file_id)}

    end(engine, ended(claimed, Succeeded(f'{{"file":{file_id}}}')))

    assert referring(engine) == set()


def test_what_a_handler_keeps_belongs_to_its_task_while_the_lease_holds(engine: Engine) -> None:
    [file_id] = entered(engine, 1)
    make(engine)
    [claimed] = claim(engine)
    hold = (claimed.id, claimed.fence)

    def keep(hold: tuple[int, int], file_id: int) -> bool:
        return run(engine, lambda connection: file_references.link_held(connection, hold, file_id))

    assert keep(hold, file_id)
    assert keep(hold, file_id)
    assert not keep((claimed.id, claimed.fence + 1), file_id)
    assert not keep(hold, file_id + 1)
    assert referring(engine) == {(claimed.id, file_id)}
    succeed(engine, claimed)
    assert not keep(hold, file_id)


def test_a_file_cannot_go_while_an_unfinished_task_refers_to_it(engine: Engine) -> None:
    [file_id] = entered(engine, 1)
    held, failing = make(engine, 2, payload={"file": file_id}, retry_limit=0)
    fail(engine, *claim(engine, 1))

    with pytest.raises(FileInUseError) as caught:
        drop(engine, file_id)
    assert len(caught.value.task_ids) == 1
    assert set(caught.value.task_ids) < {held, failing}

    fail(engine, *claim(engine, 1))
    assert drop(engine, file_id) == f"{0:064x}"
    assert file_row(engine, file_id) == {}
    assert referring(engine) == set()


def test_files_of_tasks_and_young_ones_are_not_pruned(engine: Engine) -> None:
    used, young, old, orphaned = entered(engine, 4)
    [task_id, gone] = [make(engine, payload={"file": each})[0] for each in (used, orphaned)]
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM tasks WHERE id = %s", (gone,))
    for file_id in (used, old, orphaned):
        age_file(engine, file_id, DAYS + 1)
    age_file(engine, young, DAYS - 1)

    assert sorted(unused(engine)) == [old, orphaned]
    assert [prune(engine, each) for each in (used, young)] == [None, None]
    assert prune(engine, old) == file_sha(2)
    assert prune(engine, old) is None
    remove(engine, task_id)
    assert unused(engine) == [used, orphaned]


def file_sha(number: int) -> str:
    return f"{number:064x}"


def test_files_of_live_schedules_are_not_pruned(engine: Engine) -> None:
    live, over = entered(engine, 2)
    make_schedule(engine, interval=60, payload={"a": {"file": live}})
    done = make_schedule(engine, interval=60, payload={"a": {"file": over}}, account_id="other")
    change_schedule(engine, done, "status = 'completed', next_execution_time = NULL")
    for file_id in (live, over):
        age_file(engine, file_id, DAYS + 1)

    assert unused(engine) == [over]


def test_a_creation_and_a_prune_of_one_file_do_not_pass_each_other(engine: Engine) -> None:
    first, second = entered(engine, 2)
    for file_id in (first, second):
        age_file(engine, file_id, DAYS + 1)

    with transaction(engine) as creating:
        tasks.create(creating, [NewTask(title="a", payload={"file": first})])
        assert prune(engine, first) is None  # locked by the creation: left alone
    assert prune(engine, first) is None  # and used now

    outcome: list[object] = []

    def create() -> None:
        try:
            make(engine, payload={"file": second})
        except FilesMissingError as error:
            outcome.append(error.missing[0].pointer)

    with transaction(engine) as pruning:
        assert files.remove_unused(pruning, second, DAYS) is not None
        creating_too = threading.Thread(target=create)
        creating_too.start()
        wait_until_blocked(engine)
    creating_too.join(10)
    assert outcome == ["/file"]


def test_an_upload_of_bytes_that_are_being_pruned_keeps_them(
    engine: Engine, store: FileStore
) -> None:
    old = stored(engine, store, b"the same")
    age_file(engine, old, DAYS + 1)
    new: list[int] = []

    with transaction(engine) as pruning:
        sha256 = files.remove_unused(pruning, old, DAYS)
        assert sha256 is not None
        uploading = threading.Thread(target=lambda: new.append(stored(engine, store, b"the same")))
        uploading.start()
        wait_until_blocked(engine)
        store.remove(sha256)
    uploading.join(10)

    assert content_of(store, file_row(engine, new[0])["sha256"]) == b"the same"
    assert file_row(engine, old) == {}


def test_a_prune_leaves_bytes_alone_that_are_being_uploaded_again(
    engine: Engine, store: FileStore
) -> None:
    old = stored(engine, store, b"the same")
    age_file(engine, old, DAYS + 1)
    row = file_row(engine, old)
    new = NewFile(str(row["sha256"]), 8, "a.txt", "text/plain")

    with transaction(engine) as uploading:
        assert files.register(uploading, new) == (old, False)
        assert prune(engine, old) is None
    assert prune(engine, old) is None

    assert content_of(store, row["sha256"]) == b"the same"


def test_two_uploads_of_the_same_bytes_make_one_file(engine: Engine, store: FileStore) -> None:
    ids: list[int] = []
    threads = [
        threading.Thread(target=lambda: ids.append(stored(engine, store, b"the same")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert len(rows(engine, "SELECT id FROM files")) == 1


def test_tasks_of_a_schedule_refer_to_the_files_of_its_template(engine: Engine) -> None:
    [file_id] = entered(engine, 1)
    schedule_id = make_schedule(engine, interval=60, payload={"file": file_id})
    let_fall_due(engine, schedule_id)

    fire(engine)

    [task] = tasks_of(engine, schedule_id)
    assert referring(engine) == {(task["id"], file_id)}


def test_a_schedule_of_a_missing_file_is_refused(engine: Engine) -> None:
    [file_id] = entered(engine, 1)

    with pytest.raises(FilesMissingError):
        make_schedule(engine, interval=60, payload={"file": file_id + 1})
    schedule_id = make_schedule(engine, interval=60)
    change = {"payload": {"file": file_id + 1}}
    with pytest.raises(FilesMissingError):
        run(engine, lambda connection: schedules.edit(connection, schedule_id, change))


def test_a_schedule_whose_file_has_gone_says_so_when_it_fires(engine: Engine) -> None:
    [file_id] = entered(engine, 1)
    schedule_id = make_schedule(engine, interval=60, payload={"file": file_id})
    let_fall_due(engine, schedule_id)
    drop(engine, file_id)

    with capture_logs() as log:
        fire_due(engine)

    [told] = [line for line in log if line["log_level"] == "error"]
    assert told["reason"] == f"FilesMissingError: there is no file {file_id}"
    assert tasks_of(engine, schedule_id) == []
