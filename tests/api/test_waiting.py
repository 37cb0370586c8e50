"""Answers that are held until a task has ended."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from httpx2 import ReadTimeout, Response
from sqlalchemy import Engine

from tests.api.process import ApiProcess, api_process
from tests.api.requests import faults, problem
from tests.rows import claim, make, succeed
from tests.waiting import wait_for
from tools.servers import Redis


@pytest.fixture(params=["redis", "polling"], scope="module")
def running(
    request: pytest.FixtureRequest, database_url: str, redis_process: Redis
) -> Iterator[ApiProcess]:
    variables = {"REDIS_URL": redis_process.url} if request.param == "redis" else {}
    with api_process(database_url, **variables) as process:
        process.wait_until_up("/readyz")
        yield process


def meanwhile(move: Callable[[], Any], ask: Callable[[], Response]) -> Response:
    """Return the answer to a question during which something happens."""
    timer = threading.Timer(0.3, move)
    timer.start()
    answer = ask()
    timer.join()
    return answer


def test_it_is_answered_when_the_task_has_ended(running: ApiProcess, engine: Engine) -> None:
    (task_id,) = make(engine, payload={"a": 1})
    began = time.monotonic()

    answer = meanwhile(
        lambda: running.client.post(f"/tasks/{task_id}/stop"),
        lambda: running.client.get(f"/tasks/{task_id}?wait=8"),
    )

    assert (answer.json()["status"], answer.json()["payload"]) == ("cancelled", {"a": 1})
    assert answer.headers["x-cache"] == "bypass"
    assert "preference-applied" not in answer.headers
    assert 0.3 <= time.monotonic() - began < 5


def test_a_change_is_no_end_but_to_who_names_the_state_it_knows(
    running: ApiProcess, engine: Engine
) -> None:
    (task_id,) = make(engine)
    path = f"/tasks/{task_id}"

    def pause() -> None:
        running.client.post(f"{path}/pause")

    etag = running.client.get(path).headers["etag"]
    began = time.monotonic()
    answer = meanwhile(pause, lambda: running.client.get(f"{path}?wait=1.5"))
    assert answer.json()["status"] == "paused"
    assert time.monotonic() - began >= 1.5

    known = {"if-none-match": etag}
    assert running.client.get(f"{path}?wait=60", headers=known).json()["status"] == "paused"

    known = {"if-none-match": answer.headers["etag"]}
    answer = running.client.get(f"{path}?wait=0.2", headers=known)
    assert (answer.status_code, answer.content) == (304, b"")

    answer = meanwhile(
        lambda: running.client.post(f"{path}/resume"),
        lambda: running.client.get(f"{path}?wait=8", headers=known),
    )
    assert answer.json()["status"] == "to_do"


def test_a_client_may_prefer_to_wait(running: ApiProcess, engine: Engine) -> None:
    (task_id,) = make(engine)
    path = f"/tasks/{task_id}"
    began = time.monotonic()

    answer = running.client.get(path, headers={"prefer": "respond-async, Wait=1; x=y"})

    assert time.monotonic() - began >= 1
    assert answer.json()["status"] == "to_do"
    assert answer.headers["preference-applied"] == "wait=1"
    succeed(engine, *claim(engine))
    answer = running.client.get(path, headers={"prefer": "wait=900"})
    assert (answer.json()["status"], answer.headers["preference-applied"]) == ("done", "wait=60")
    for other in ("wait=x", "respond-async", "await=5"):
        answer = running.client.get(path, headers={"prefer": other})
        assert "preference-applied" not in answer.headers


def test_a_task_that_has_ended_is_not_waited_for(running: ApiProcess, engine: Engine) -> None:
    (task_id,) = make(engine)
    succeed(engine, *claim(engine))
    began = time.monotonic()

    answer = running.client.get(f"/tasks/{task_id}?wait=60")
    assert answer.json()["status"] == "done"
    known = {"if-none-match": answer.headers["etag"]}
    assert running.client.get(f"/tasks/{task_id}?wait=60", headers=known).status_code == 304
    assert running.client.get(f"/tasks/{task_id}?wait=0").json()["status"] == "done"
    assert time.monotonic() - began < 2


def test_a_task_that_is_deleted_meanwhile_is_not_found(running: ApiProcess, engine: Engine) -> None:
    (task_id,) = make(engine)

    def ask() -> Response:
        return running.client.get(f"/tasks/{task_id}?wait=9")

    gone = meanwhile(lambda: running.client.delete(f"/tasks/{task_id}"), ask)
    problem(gone, 404, "task_not_found")
    problem(ask(), 404, "task_not_found")


def test_many_wait_for_their_own_tasks(running: ApiProcess, engine: Engine) -> None:
    task_ids = make(engine, 40)
    answers: list[Response] = []

    def ask(task_id: int) -> None:
        answers.append(running.client.get(f"/tasks/{task_id}?wait=9"))

    threads = [threading.Thread(target=ask, args=[task_id]) for task_id in task_ids]
    for thread in threads:
        thread.start()
    succeed(engine, *claim(engine, 40))
    for thread in threads:
        thread.join()

    assert sorted(answer.json()["id"] for answer in answers) == task_ids
    assert {answer.json()["status"] for answer in answers} == {"done"}


def test_who_has_left_is_not_waited_for(running: ApiProcess, engine: Engine) -> None:
    (task_id,) = make(engine)
    for _ in range(3):
        with pytest.raises(ReadTimeout):
            running.client.get(f"/tasks/{task_id}?wait=60", timeout=0.2)

    wait_for(lambda: "\nrowlease_streams 0.0\n" in running.client.get("/metrics").text)


@pytest.mark.parametrize("seconds", ["-1", "61", "x", "nan", "", "1e9"])
def test_a_wait_that_is_none_is_refused(running: ApiProcess, seconds: str) -> None:
    assert set(faults(running.client.get(f"/tasks/1?wait={seconds}"))) == {"/wait"}
