"""Whatever a worker is killed at, a task has one run at RunningHub, or a person decides."""

import signal

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.processes import Start
from tests.rows import attempts, row
from tests.runninghub.hub import Hub
from tests.runninghub.tasks import (
    kill,
    make_workflow,
    picture_payload,
    started,
    text_payload,
    wait_for_status,
)
from tests.waiting import wait_for


@pytest.mark.parametrize("call", ["upload", "account", "create", "outputs", "view"])
def test_a_task_has_one_run_whatever_its_worker_was_killed_at(
    engine: Engine, start: Start, hub: Hub, call: str
) -> None:
    hub.script(queue_seconds=0, run_seconds=0)
    task_id = make_workflow(engine, picture_payload(engine))
    hub.wrong(call, "hold")
    first = started(start)
    hub.wait_until_held(call)

    kill(engine, first)
    second = started(start)

    wait_for_status(engine, task_id, "done")
    assert second.stop() == 0
    assert len(hub.runs) == 1
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["lost", "succeeded"]
    assert row(engine, task_id)["current_retry_count"] == 0


def test_a_worker_that_dies_before_it_saved_anything_costs_the_task_nothing(
    engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, run_seconds=0)
    task_id = make_workflow(engine, picture_payload(engine))
    first = start("worker", WORKER_HANDLERS="tests.runninghub.dying")
    assert first.wait() == -signal.SIGKILL

    kill(engine, first)
    assert row(engine, task_id)["checkpoint"] is None
    started(start)

    wait_for_status(engine, task_id, "done")
    assert len(hub.runs) == 1
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["lost", "succeeded"]
    assert row(engine, task_id)["current_retry_count"] == 0


@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("end", ["success", "never"])
def test_a_create_whose_number_nobody_noted_is_not_repeated(
    engine: Engine, start: Start, hub: Hub, end: str, *, is_answered: bool
) -> None:
    hub.script(queue_seconds=0, run_seconds=0, end=end)
    task_id = make_workflow(engine, picture_payload(engine))
    hub.wrong("create", "hold", done=True)
    first = started(start)
    hub.wait_until_held("create")

    if is_answered:  # and its number can only not be saved
        with engine.connect() as holder:
            holder.exec_driver_sql(f"SELECT 1 FROM tasks WHERE id = {task_id} FOR UPDATE")
            hub.free()
            first.wait_for_event("run created")
            first.kill()
    kill(engine, first)
    second = started(start)

    held = wait_for_status(engine, task_id, "paused")
    assert second.stop() == 0
    assert "whether RunningHub created a run" in held["last_error"]
    assert "start the task" in held["last_error"]
    assert len(hub.runs) == 1


def test_a_task_whose_files_were_fetched_is_settled_by_the_next_worker(
    engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, run_seconds=0)
    task_id = make_workflow(engine, picture_payload(engine))
    hub.wrong("view", "hold")
    first = started(start)
    hub.wait_until_held("view")
    with engine.connect() as holder:
        holder.exec_driver_sql(f"SELECT 1 FROM tasks WHERE id = {task_id} FOR UPDATE")
        hub.free()
        wait_for(lambda: not hub.double.faults.held["view"])
        first.kill()
    kill(engine, first)
    started(start)

    wait_for_status(engine, task_id, "done")
    assert len(hub.runs) == 1


def test_a_worker_that_shuts_down_leaves_its_run_to_the_next(
    engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, run_seconds=1)
    task_id = make_workflow(engine, picture_payload(engine))
    first = started(start, WORKER_GRACE_SECONDS="0.1")
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")

    assert first.stop() == 0
    assert row(engine, task_id)["status"] == "to_do"
    hub.step(10)
    started(start)

    wait_for_status(engine, task_id, "done")
    assert len(hub.runs) == 1
    assert "cancel" not in hub.double.calls
    assert [each["outcome"] for each in attempts(engine, task_id)] == ["released", "succeeded"]


@pytest.mark.parametrize("verb", ["stop", "delete"])
def test_who_stops_a_task_that_waits_to_be_taken_over_has_its_run_cancelled(
    client: TestClient, engine: Engine, start: Start, hub: Hub, verb: str
) -> None:
    hub.script(queue_seconds=0, end="never")
    task_id = make_workflow(engine, text_payload("x"))
    first = started(start)
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")
    kill(engine, first)
    assert row(engine, task_id)["status"] == "to_do"

    if verb == "stop":
        assert client.post(f"/tasks/{task_id}/stop").json()["state"] == "STOPPED"
    else:
        assert client.delete(f"/tasks/{task_id}").status_code == 204
    started(start)

    wait_for(lambda: hub.states == ["FAILED"])
    [cancellation] = client.get("/tasks?queue=cancellations").json()
    assert cancellation["title"] == f"Cancel run {hub.runs[0].id} of task {task_id}"
    wait_for_status(engine, cancellation["id"], "done")


def test_a_worker_that_dies_while_it_stops_has_its_run_cancelled(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, end="never")
    hub.wrong("cancel", "hold")
    task_id = make_workflow(engine, text_payload("x"))
    first = started(start)
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")
    with engine.connect() as holder:  # its last words cannot be written
        client.post(f"/tasks/{task_id}/stop")
        holder.exec_driver_sql(f"SELECT 1 FROM tasks WHERE id = {task_id} FOR UPDATE")
        hub.wait_until_held("cancel")
        first.kill()
    kill(engine, first)
    assert row(engine, task_id)["status"] == "cancelled"
    started(start)

    wait_for(lambda: hub.states == ["FAILED"])


def test_a_worker_that_ends_before_runninghub_has_answered_has_its_run_cancelled(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, end="never")
    for _ in range(3):
        hub.wrong("cancel", "status", 503)
    task_id = make_workflow(engine, text_payload("x"))
    first = started(start)
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")

    client.post(f"/tasks/{task_id}/stop")
    [attempt] = wait_for(lambda: attempts(engine, task_id))
    first.kill()
    assert "may go on at RunningHub" in attempt["message"]
    assert hub.states == ["RUNNING"]
    hub.free()
    started(start)

    wait_for(lambda: hub.states == ["FAILED"])


def test_who_starts_a_task_anew_has_its_run_cancelled(
    client: TestClient, engine: Engine, start: Start, hub: Hub
) -> None:
    hub.script(queue_seconds=0, end="never")
    task_id = make_workflow(engine, text_payload("x"))
    first = started(start)
    wait_for(lambda: row(engine, task_id)["stage"] == "RUNNING")
    kill(engine, first)
    client.post(f"/tasks/{task_id}/pause")
    hub.script(queue_seconds=0, run_seconds=0, end="empty")

    assert client.post(f"/tasks/{task_id}/start").json()["state"] == "PENDING"
    started(start)

    wait_for_status(engine, task_id, "done")
    assert hub.states == ["FAILED", "SUCCESS"]
