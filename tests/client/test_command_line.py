"""What each command does, on a real API; how the process behaves is in test_command_process.py."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from rowlease import NewSchedule, NewTask, TaskFilter
from rowlease.command_line import schedules, tasks
from rowlease.command_line.main import app
from rowlease.command_line.output import age, aligned, cell, columns_of, duration
from schema import batches, counts, filters
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order
from tests.rows import claim, fail, make, succeed

Run = Callable[..., Result]


@pytest.fixture
def run(url: str) -> Run:
    """Runs a command against the API, in a terminal of 80 columns."""
    environment = {"ROWLEASE_URL": url, "COLUMNS": "80"}
    runner = CliRunner(env=environment)
    return lambda *arguments, **how: runner.invoke(app, arguments, **how)


def answered(done: Result) -> Any:
    """Return the JSON that a command printed."""
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


def lines(done: Result) -> list[list[str]]:
    """Return the words of each line that a command printed."""
    assert (done.exit_code, done.stderr) == (0, "")
    assert all(columns_of(line) <= 80 for line in done.stdout.splitlines())
    return [line.split() for line in done.stdout.splitlines()]


def test_a_task_is_created_with_all_that_can_be_said_of_it(run: Run, tmp_path: Path) -> None:
    payload = tmp_path / "payload.json"
    payload.write_text('{"名": [1, null]}', encoding="utf-8")
    options = "--title 标题 --queue images --task-type resize --priority high --tag b --tag a"
    more = f"--retry-limit 0 --unique-key k --hold --due-date 2031-01-31 --payload @{payload}"

    done = run(
        "tasks", "create", *options.split(), *more.replace("31 ", "31T00:00Z ").split(), "--json"
    )

    made = answered(done)
    expected = {
        "title": "标题",
        "queue": "images",
        "task_type": "resize",
        "priority": "高",
        "tags": ["a", "b"],
        "retry_limit": 0,
        "unique_key": "k",
        "status": "paused",
        "due_date": "2031-01-31T00:00:00Z",
        "payload": {"名": [1, None]},
    }
    assert {name: made[name] for name in expected} == expected


def test_a_payload_may_come_from_the_standard_input(run: Run) -> None:
    done = run("tasks", "create", "--title", "a", "--payload", "-", "--json", input='["高"]')

    assert answered(done)["payload"] == ["高"]


def test_tasks_are_listed_in_80_columns(engine: Engine, run: Run) -> None:
    ids = make(engine, 2, title="高中低" * 60, queue="q" * 64, task_type="t" * 64)

    heading, *rows = lines(run("tasks", "list"))

    assert heading == ["ID", "STATUS", "PRIO", "QUEUE", "TYPE", "AGE", "TITLE"]
    assert [row[:3] for row in rows] == [[str(each), "to_do", "中"] for each in reversed(ids)]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (tasks.Creation, NewTask),
        (tasks.Filters, TaskFilter),
        (schedules.Creation, NewSchedule),
    ],
)
def test_a_command_takes_all_that_the_client_does(options: Any, fields: Any) -> None:
    assert set(get_type_hints(options)) == set(get_type_hints(fields)) - {"on_conflict"}


def test_a_list_is_filtered_and_ends_at_its_limit(engine: Engine, run: Run) -> None:
    make(engine, 2)
    ids = make(engine, 3, queue="other", tags=["x"])

    filters = ["--queue", "other", "--status", "to_do", "--status", "done", "--tag", "x"]
    done = run("tasks", "list", *filters, "--limit", "2", "--json")

    assert [each["id"] for each in json.loads(done.stdout)] == ids[:0:-1]
    assert "There are more than 2" in done.stderr
    assert len(answered(run("--json", "tasks", "list", *filters))) == 3
    more = [
        "--q",
        "a task",
        "--overdue",
        "--schedule-id",
        "5",
        "--created-before",
        "2031-01-31T00:00Z",
    ]
    assert answered(run("tasks", "list", "--json", *more)) == []


def test_a_task_is_shown_with_its_payload(engine: Engine, run: Run) -> None:
    (task_id,) = make(engine, title="a\nb", payload={"名": 1})

    shown = {line[0]: " ".join(line[1:]) for line in lines(run("tasks", "show", str(task_id)))}

    assert shown["id"] == str(task_id)
    assert shown["title"] == r"a\nb"
    assert shown["payload"] == '{"名": 1}'
    assert shown["completed_at"] == "-"


def test_a_long_payload_is_shown_over_several_lines(engine: Engine, run: Run) -> None:
    (task_id,) = make(engine, payload={"urls": ["https://example.org/" + "a" * 40] * 3})

    shown = lines(run("tasks", "show", str(task_id)))

    start = shown.index(["payload"])
    assert shown[start : start + 3] == [
        ["payload"],
        ["{"],
        ['"urls":', "["],
    ]


def test_verbs_move_a_task_until_it_is_deleted(engine: Engine, run: Run) -> None:
    (task_id,) = map(str, make(engine))

    for verb, status in [
        ("pause", "paused"),
        ("resume", "to_do"),
        ("stop", "cancelled"),
        ("start", "to_do"),
    ]:
        _, row = lines(run("tasks", verb, task_id, "--reason", "because"))
        assert row[:2] == [task_id, status]
    assert run("tasks", "delete", task_id).stdout == f"Task {task_id} is deleted.\n"
    assert run("tasks", "show", task_id).exit_code == 1


def test_waiting_tells_by_its_exit_code_how_a_task_ended(engine: Engine, run: Run) -> None:
    make(engine, 3, retry_limit=0)
    done, failed, waiting = claim(engine, 3)
    succeed(engine, done)
    fail(engine, failed)

    assert answered(run("tasks", "wait", str(done.id), "--json"))["status"] == "done"
    ended_badly = run("tasks", "wait", str(failed.id))
    assert ended_badly.exit_code == 1
    assert ended_badly.stderr == f"rowlease: task {failed.id} is failed: boom\n"
    too_long = run("tasks", "wait", str(waiting.id), "--timeout", "0.01")
    assert too_long.exit_code == 1
    assert "has not ended within 0.01 s: it is in_progress" in too_long.stderr


def test_queues_are_looked_after(engine: Engine, run: Run) -> None:
    make(engine, 2, queue="images")

    (_, row) = lines(run("queues", "list"))
    assert row[:2] == ["images", "no"]
    (_, row) = lines(run("queues", "pause", "images", "--reason", "full", "--seconds", "60"))
    assert row[:2] == ["images", "yes"]
    shown = answered(run("queues", "show", "images", "--json"))
    assert (shown["is_paused"], shown["paused_reason"]) == (True, "full")
    (_, row) = lines(run("queues", "resume", "images"))
    assert row[:2] == ["images", "no"]


def test_schedules_are_looked_after(run: Run) -> None:
    times = ["--cron", "30 8 * * *", "--timezone", "Asia/Shanghai", "--valid-time-range", "null"]
    kind = ["--name", "daily", "--overlap", "queue", "--payload", "{}", "--no-unique"]
    made = answered(run("schedules", "create", *kind, *times, "--json"))
    assert (made["cron"], made["overlap"], made["unique"]) == ("30 8 * * *", "queue", False)
    number = str(made["id"])

    heading, row = lines(run("schedules", "list", "--status", "active"))
    assert heading == ["ID", "STATUS", "RUNS", "NEXT", "(UTC)", "ROUNDS", "NAME"]
    assert row[:7] == [number, "active", "30", "8", "*", "*", "*"]
    assert row[-1] == "daily"
    _, row = lines(run("schedules", "pause", number))
    assert row[:2] == [number, "paused"]
    _, row = lines(run("schedules", "resume", number))
    assert row[:2] == [number, "active"]
    task_made = answered(run("schedules", "run", number, "--json"))
    assert task_made["schedule_id"] == made["id"]
    assert ["name", "daily"] in lines(run("schedules", "show", number))
    assert run("schedules", "delete", number).exit_code == 0
    assert answered(run("schedules", "list", "--json")) == []


def test_the_dispatcher_is_looked_after(run: Run) -> None:
    try:
        assert ["is_running", "no"] in lines(run("dispatcher", "stop", "--reason", "later"))
    finally:
        assert ["is_running", "yes"] in lines(run("dispatcher", "start"))
    assert answered(run("dispatcher", "status", "--json"))["is_running"] is True


def test_why_a_task_is_not_running_is_said_with_what_to_do(engine: Engine, run: Run) -> None:
    (task_id,) = make(engine)

    assert run("why", str(task_id)).stdout == (
        "No worker is alive.\n"
        "  -> Start one: python -m worker. GET /workers shows how the last ones ended.\n"
    )
    assert answered(run("why", str(task_id), "--json"))["reasons"][0]["code"] == "worker"


def test_workers_are_listed(run: Run) -> None:
    assert lines(run("workers", "list", "--status", "alive")) == [
        ["ID", "STATUS", "BUSY", "STARTED", "HEARTBEAT", "QUEUES"]
    ]


def test_the_overview_names_what_is_wrong_before_the_figures(engine: Engine, run: Run) -> None:
    make(engine, 3)
    fail(engine, *claim(engine, 2), for_good=True)
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)

    shown = lines(run("overview", "--period", "15m"))

    assert [line[0] for line in shown] == [
        *("ALARM", "no_worker"),
        *("READY", "0"),
        *("WORKERS", "0"),
        *("ERROR", "ValueError"),
    ]
    assert shown[3] == ["0", "1", "0", "0", "0", "2", "0"]
    assert shown[5][4] == "2"
    assert answered(run("overview", "--json"))["period"] == "1h"


def test_the_overview_of_a_new_installation_is_empty(run: Run) -> None:
    _, states, _, figures = lines(run("overview"))

    assert states == ["-"] * 7
    assert figures[:3] == ["0", "0", "-"]


def test_batches_are_listed_and_shown(engine: Engine, run: Run) -> None:
    make(engine, 1_001, queue="images")
    order, wanted = Order(Verb.STOP, "operator", "later"), filters.TaskFilter(queue=["images"])
    with transaction(engine) as connection:
        batch_id = batches.apply_matching(connection, order, wanted)

    heading, row = lines(run("batches", "list"))
    assert heading == ["ID", "VERB", "STATUS", "DONE", "REFUSED", "AGE", "FILTER"]
    assert row[:5] == [str(batch_id), "stop", "running", "0", "0"]
    assert row[-1] == '["images"]}'
    assert ["reason", "later"] in lines(run("batches", "show", str(batch_id)))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["tasks", "create"], "--title"),
        (["tasks", "show", "five"], "ID"),
        (["tasks", "create", "--title", "a", "--payload", "@/nowhere"], "--payload"),
        (["schedules", "create", "--valid-time-range", "8-22"], "--valid-time-range"),
        (["tasks", "wait", "5", "--timeout", "-1"], "--timeout"),
        (["overview", "--period", "2h"], "--period"),
    ],
)
def test_wrong_usage_is_named(run: Run, arguments: list[str], word: str) -> None:
    done = run(*arguments)

    assert done.exit_code == 2
    assert word in done.stderr


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ([], "-"),
        (True, "yes"),
        (0, "0"),
        (["a", "b"], "a, b"),
        ({"高": [1]}, '{"高": [1]}'),
        ("a\x1b[31m\tb", r"a\x1b[31m\tb"),
    ],
)
def test_a_cell_is_one_harmless_line(value: Any, shown: str) -> None:
    assert cell(value) == shown


def test_wide_tables_are_cut_at_their_widest_cells() -> None:
    rows = [["ID", "TITLE"], ["1", "高" * 20], ["100", "e\u0301" * 3]]

    assert aligned(rows, 80) == ["ID   TITLE", "1    " + "高" * 20, "100  " + "e\u0301" * 3]
    assert aligned(rows, 12) == ["ID   TITLE", "1    高高高…", "100  " + "e\u0301" * 3]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (-3, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (200_000, "2d")],
)
def test_lengths_of_time_are_in_their_largest_unit(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_what_has_not_happened_has_no_age() -> None:
    assert age(None) == "-"
