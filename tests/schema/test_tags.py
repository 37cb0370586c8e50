"""Tags: counted, renamed and deleted for all tasks at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import tags, tasks
from schema.new_task import NewTask
from schema.runtime.transactions import run, transaction
from schema.tags import TagTakenError
from tests.rows import claim, make, remove, row, rows, wait_until_blocked


def of(engine: Engine, task_id: int) -> set[str]:
    query = f"SELECT name FROM tags JOIN task_tags ON tag_id = id WHERE task_id = {task_id}"
    return {each["name"] for each in rows(engine, query)}


def listed(engine: Engine, **how: Any) -> list[tuple[str, int]]:
    with engine.connect() as connection:
        return [(tag["name"], tag["count"]) for tag in tags.page(connection, **{"limit": 10} | how)]


def versions(engine: Engine) -> list[int]:
    return [each["version"] for each in rows(engine, "SELECT version FROM tasks ORDER BY id")]


def test_tags_are_listed_by_name_with_how_many_tasks_have_them(engine: Engine) -> None:
    make(engine, 2, tags=["b", "a"])
    make(engine, tags=["b", "标"])

    assert listed(engine) == [("a", 2), ("b", 3), ("标", 1)]
    assert listed(engine, limit=2) == [("a", 2), ("b", 3)]
    assert listed(engine, after="b") == [("标", 1)]


def test_tasks_are_counted_up_to_a_limit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "COUNT_LIMIT", 2)
    make(engine, 3, tags=["a"])

    assert listed(engine) == [("a", 2)]


def test_a_task_that_was_deleted_while_it_ran_is_not_counted(engine: Engine) -> None:
    first, _ = make(engine, 2, tags=["a"])
    claim(engine)
    remove(engine, first)

    assert listed(engine) == [("a", 1)]


def test_a_rename_holds_for_all_tasks_and_gives_them_new_versions(engine: Engine) -> None:
    task_id, _ = make(engine, 2, tags=["a"])
    make(engine, tags=["other"])

    with transaction(engine) as connection:
        tag_id = tags.rename(connection, "a", "b")
        assert tag_id is not None
        assert tags.touch(connection, tag_id) is None

    assert of(engine, task_id) == {"b"}
    assert versions(engine) == [2, 2, 1]


def test_a_name_that_is_taken_or_gone_is_told(engine: Engine) -> None:
    make(engine, tags=["a", "b"])

    with engine.connect() as connection:
        assert tags.rename(connection, "c", "d") is None
        assert tags.rename(connection, "a", "a") is not None
        with pytest.raises(TagTakenError):
            tags.rename(connection, "a", "b")


def test_many_tasks_follow_page_by_page(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "PAGE", 2)
    ids = make(engine, 5, tags=["a", "b"])

    with transaction(engine) as connection:
        tag_id = tags.rename(connection, "a", "c") or 0
        last = tags.touch(connection, tag_id)
        assert last == ids[1]
        assert tags.touch(connection, tag_id, after_id=ids[3]) is None
    assert versions(engine) == [2, 2, 1, 1, 2]

    gone = [run(engine, lambda connection: tags.remove(connection, "c")) for _ in range(4)]
    assert gone == [False, False, True, None]
    assert listed(engine) == [("b", 5)]
    assert versions(engine) == [3, 3, 2, 2, 3]


def test_a_tag_is_not_deleted_while_a_task_is_about_to_get_it(engine: Engine) -> None:
    make(engine, tags=["a"])
    with transaction(engine) as connection:
        (task_id,) = tasks.create(connection, [NewTask(title="new", tags=["a"])])
        with ThreadPoolExecutor(1) as thread:
            removed = thread.submit(run, engine, lambda each: tags.remove(each, "a"))
            wait_until_blocked(engine)
            connection.commit()
            assert removed.result(5) is True

    assert listed(engine) == []
    assert (of(engine, task_id), row(engine, task_id)["version"]) == (set(), 2)
