"""What every executor must do: one class of rules, run against all of them."""

import queue
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from schema.attempts import Claimed, Failed, Outcome, Released, Snoozed, Succeeded
from schema.states import AttemptOutcome
from tests.waiting import wait_for
from worker import handlers
from worker.executors.coroutine import CoroutineExecutor
from worker.executors.executor import Executor
from worker.executors.process import ProcessExecutor
from worker.performing import Job

MODULES = ["tests.worker.sample_handlers"]
STARTED = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


class Harness:
    """An executor, and the outcomes that it handed over."""

    def __init__(self, prefix: str, make: Callable[..., Executor]) -> None:
        self.prefix = prefix
        self.outcomes: queue.Queue[tuple[Job, Outcome]] = queue.Queue()
        self.executor = make(lambda job, outcome: self.outcomes.put((job, outcome)))
        self.registry = handlers.load(MODULES)

    def job(self, name: str, payload: Any = None, *, seconds: float = 30) -> Job:
        task_type = f"{self.prefix}.{name}"
        claimed = Claimed(
            id=7,
            fence=2,
            title="标题",
            task_type=task_type,
            queue="q",
            account_id=None,
            timeout_seconds=30,
            attempt=1,
            available_at=STARTED,
            started_at=STARTED,
            traceparent=None,
            payload=None if payload is None else orjson.dumps(payload).decode(),
            tags=("a", "b"),
        )
        now = time.monotonic()
        return Job(claimed, self.registry[task_type], now, now + seconds)

    def run(self, *args: Any, **kwargs: Any) -> Outcome:
        self.executor.submit([self.job(*args, **kwargs)])
        return self.next()

    def next(self) -> Outcome:
        return self.outcomes.get(timeout=20)[1]


@pytest.fixture(scope="module", params=["async", "def"])
def harness(request: pytest.FixtureRequest, database_url: str) -> Iterator[Harness]:  # noqa: ARG001
    def make(done: Any) -> Executor:
        if request.param == "async":
            return CoroutineExecutor(done)
        return ProcessExecutor(done, MODULES, lambda: None)

    one = Harness(request.param, make)
    one.executor.start()
    yield one
    one.executor.close()


def result(outcome: Outcome) -> Any:
    assert isinstance(outcome, Succeeded), outcome
    return None if outcome.result is None else orjson.loads(outcome.result)


def failure(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


class TestConformance:
    def test_a_handler_gets_its_context_and_its_payload(self, harness: Harness) -> None:
        seen = result(harness.run("context", {"a": [1]}))

        assert seen["payload"] == {"a": [1]}
        assert (seen["task_id"], seen["fence"], seen["attempt"]) == (7, 2, 1)
        assert (seen["title"], seen["queue"], seen["account_id"]) == ("标题", "q", None)
        assert seen["tags"] == ["a", "b"]
        deadline = datetime.fromisoformat(seen["deadline"])
        assert deadline == STARTED.replace(tzinfo=UTC) + timedelta(seconds=30)

    def test_no_payload_is_an_empty_one(self, harness: Harness) -> None:
        assert result(harness.run("context"))["payload"] == {}

    def test_a_model_is_validated_and_may_be_the_result(self, harness: Harness) -> None:
        assert result(harness.run("model", {"width": 3})) == {"width": 3, "name": "unnamed"}

    def test_a_payload_that_does_not_fit_fails_for_good_and_says_where(
        self, harness: Harness
    ) -> None:
        outcome = failure(harness.run("model", {"width": 0, "name": 5}))

        assert outcome.for_good
        assert "width: Input should be greater than or equal to 1" in outcome.failure.message
        assert "name: Input should be a valid string" in outcome.failure.message

    def test_an_exception_fails_the_attempt_with_its_traceback(self, harness: Harness) -> None:
        outcome = failure(harness.run("raise", {"how": "error"}))

        assert not outcome.for_good
        assert outcome.outcome == AttemptOutcome.FAILED
        assert (outcome.failure.error_class, outcome.failure.message) == ("ValueError", "boom")
        assert "in misbehave" in (outcome.failure.traceback or "")

    def test_a_permanent_failure_is_for_good(self, harness: Harness) -> None:
        outcome = failure(harness.run("raise", {"how": "permanent"}))

        assert outcome.for_good
        assert outcome.failure.message == "never again"

    def test_a_snooze_puts_the_task_off(self, harness: Harness) -> None:
        assert harness.run("raise", {"how": "snooze"}) == Snoozed(60)

    def test_an_error_text_that_no_database_takes_is_made_fit(self, harness: Harness) -> None:
        failure(harness.run("raise", {"how": "surrogate"})).failure.message.encode()

    def test_a_handler_that_exits_fails_its_attempt_only(self, harness: Harness) -> None:
        assert failure(harness.run("raise", {"how": "exit"})).failure.error_class == "SystemExit"
        assert result(harness.run("context"))["task_id"] == 7

    def test_a_time_out_of_the_handlers_own_is_an_error_like_others(self, harness: Harness) -> None:
        outcome = failure(harness.run("raise", {"how": "timeout"}))

        assert outcome.outcome == AttemptOutcome.FAILED
        assert outcome.failure.message == "the handler's own"

    @pytest.mark.parametrize(
        ("how", "why"),
        [("object", "not JSON serializable"), ("huge", "at most 1048576"), ("nan", "NaN")],
    )
    def test_a_result_that_cannot_be_stored_fails_the_attempt(
        self, harness: Harness, how: str, why: str
    ) -> None:
        outcome = failure(harness.run("raise", {"how": how}))

        assert outcome.failure.error_class == "ResultError"
        assert why in outcome.failure.message

    def test_a_handler_is_ended_at_its_deadline(self, harness: Harness, tmp_path: Path) -> None:
        marks = tmp_path / "marks"

        outcome = failure(harness.run("sleep", {"seconds": 20, "marks": str(marks)}, seconds=0.5))

        assert outcome.outcome == AttemptOutcome.TIMED_OUT
        assert outcome.failure.message == "timed out: the lease of 30 s was over"
        assert marks.read_text() == "begin 1\n"

    def test_what_runs_is_released_on_demand(self, harness: Harness, tmp_path: Path) -> None:
        payload = {"seconds": 20, "marks": str(tmp_path / "marks")}
        harness.executor.submit([harness.job("sleep", payload) for _ in range(3)])
        wait_for((tmp_path / "marks").exists)

        harness.executor.release_all()

        assert [harness.next() for _ in range(3)] == [Released()] * 3

    def test_jobs_run_side_by_side(self, harness: Harness, tmp_path: Path) -> None:
        began = time.monotonic()
        payload = {"seconds": 0.5, "marks": str(tmp_path / "marks")}
        harness.executor.submit([harness.job("sleep", payload) for _ in range(4)])

        outcomes = [result(harness.next()) for _ in range(4)]

        assert outcomes == ["slept"] * 4
        assert (tmp_path / "marks").read_text().startswith("begin 1\n" * 2)
        assert time.monotonic() - began < 10


class TestProcess:
    @pytest.fixture
    def process(self, harness: Harness) -> Harness:
        if harness.prefix != "def":
            pytest.skip("only children can die")
        return harness

    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ("exit", "ended with exit code 3"),
            ("segfault", "was ended by SIGSEGV"),
            ("kill", "was ended by SIGKILL"),
        ],
    )
    def test_a_child_that_dies_crashes_its_attempt_and_the_next_runs(
        self, process: Harness, how: str, words: str
    ) -> None:
        outcome = failure(process.run("die", {"how": how}))

        assert outcome.outcome == AttemptOutcome.CRASHED
        assert outcome.failure.message == f"the child process {words}"
        assert result(process.run("context"))["task_id"] == 7

    def test_a_child_is_used_again(self, process: Harness) -> None:
        pids = {result(process.run("context"))["pid"] for _ in range(5)}

        assert len(pids) == 1
