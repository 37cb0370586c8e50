"""What every executor must do: one class of rules, run against all of them."""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from schema.attempts import (
    Claimed,
    Failed,
    Held,
    Hold,
    Outcome,
    QueuePaused,
    Released,
    Snoozed,
    Succeeded,
)
from schema.documents import PAYLOAD_BYTES
from schema.states import AttemptOutcome
from tests.waiting import wait_for
from worker import handlers
from worker.attempt import Attempt, Reason
from worker.executors.children import Nursery
from worker.executors.coroutine import CoroutineExecutor
from worker.executors.executor import Executor
from worker.executors.process import ProcessExecutor
from worker.executors.thread import ThreadExecutor
from worker.link import Content
from worker.signals import FileMissing, LeaseLost

MODULES = ["tests.worker.sample_handlers"]
STARTED = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


class Harness:
    """An executor, and the keeper that it talks to."""

    def __init__(self, prefix: str, make: Callable[["Harness"], Executor]) -> None:
        self.prefix = prefix
        self.ends: queue.Queue[tuple[Attempt, Outcome]] = queue.Queue()
        self.free: list[Attempt] = []
        self.checkpoints: dict[Hold, str] = {}
        self.files: dict[int, Path] = {}
        self.kept: list[tuple[Hold, Content]] = []
        self.is_lost = False
        self.registry = handlers.load(MODULES)
        self.executor = make(self)

    def ended(self, attempt: Attempt, said: Outcome) -> None:
        self.ends.put((attempt, said))

    def freed(self, attempt: Attempt) -> None:
        self.free.append(attempt)

    def save(self, hold: Hold, checkpoint: str) -> "Future[None]":
        future: Future[None] = Future()
        if self.is_lost:
            future.set_exception(LeaseLost())
        else:
            self.checkpoints[hold] = checkpoint
            future.set_result(None)
        return future

    def fetch(self, hold: Hold, file_id: int) -> "Future[Path]":  # noqa: ARG002
        future: Future[Path] = Future()
        if file_id in self.files:
            future.set_result(self.files[file_id])
        else:
            future.set_exception(FileMissing(f"there is no file {file_id}"))
        return future

    def keep(self, hold: Hold, content: Content) -> "Future[int]":
        self.kept.append((hold, content))
        future: Future[int] = Future()
        if self.is_lost:
            future.set_exception(LeaseLost())
        else:
            future.set_result(len(self.kept))
        return future

    def attempt(self, name: str, payload: Any = None, **how: Any) -> Attempt:
        task_type = f"{self.prefix}.{name}"
        lease = how.get("lease", 30)
        claimed = Claimed(
            id=7,
            fence=how.get("fence", 2),
            title="标题",
            task_type=task_type,
            queue="q",
            account_id=None,
            timeout_seconds=lease,
            attempt=1,
            available_at=STARTED,
            started_at=STARTED,
            traceparent=None,
            payload=None if payload is None else orjson.dumps(payload).decode(),
            tags=("a", "b"),
            checkpoint=how.get("checkpoint"),
        )
        now = time.monotonic()
        return Attempt(claimed, self.registry[task_type], "w", now, now + lease)

    def run(self, *args: Any, **how: Any) -> Outcome | None:
        self.executor.submit([self.attempt(*args, **how)])
        return self.next()

    def next(self) -> Outcome | None:
        """What would be settled for the next attempt that ends."""
        attempt, said = self.ends.get(timeout=20)
        return attempt.outcome(said)


@pytest.fixture(scope="module", params=["async", "def", "thread"])
def harness(request: pytest.FixtureRequest, database_url: str) -> Iterator[Harness]:  # noqa: ARG001
    def make(keeper: Harness) -> Executor:
        match keeper.prefix:
            case "async":
                return CoroutineExecutor(keeper, lambda: None)
            case "thread":
                return ThreadExecutor(keeper, lambda: None)
            case _:
                return ProcessExecutor(keeper, Nursery(MODULES, most_tasks=100), lambda: None)

    one = Harness(request.param, make)
    one.executor.start()
    yield one
    one.executor.close(5)


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every attempt that ended freed its slot."""
    yield
    if "harness" in request.fixturenames:
        harness: Harness = request.getfixturevalue("harness")
        harness.is_lost = False
        harness.kept.clear()
        assert harness.ends.empty()


def result(outcome: Outcome | None) -> Any:
    assert isinstance(outcome, Succeeded), outcome
    return None if outcome.result is None else orjson.loads(outcome.result)


def failure(outcome: Outcome | None) -> Failed:
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

    def test_a_hold_and_a_paused_queue_are_outcomes(self, harness: Harness) -> None:
        assert harness.run("raise", {"how": "hold"}) == Held("look at it")
        assert harness.run("raise", {"how": "pause"}) == QueuePaused("q", "full", 60)

    def test_a_handler_is_ended_at_its_deadline(self, harness: Harness, tmp_path: Path) -> None:
        marks = tmp_path / "marks"

        outcome = failure(harness.run("sleep", {"seconds": 3, "marks": str(marks)}, lease=1))

        assert outcome.outcome == AttemptOutcome.TIMED_OUT
        assert outcome.failure.message == "timed out: the lease of 1 s was over"
        assert marks.read_text().startswith("begin 1\n")

    @pytest.mark.parametrize(
        ("reason", "settled"),
        [
            (Reason.RELEASED, Released()),
            (Reason.LOST, None),
            (Reason.STOPPED, AttemptOutcome.CANCELLED),
        ],
    )
    def test_what_runs_can_be_told_to_end(
        self, harness: Harness, tmp_path: Path, reason: Reason, settled: Any
    ) -> None:
        payload = {"seconds": 3, "marks": str(tmp_path / "marks")}
        attempts = [harness.attempt("sleep", payload) for _ in range(3)]
        harness.executor.submit(attempts)
        wait_for(lambda: "begin 1\n" * 3 in _text(tmp_path / "marks"))

        for attempt in attempts:
            attempt.reason = reason
        harness.executor.end(attempts)

        ends = [harness.next() for _ in range(3)]
        assert [end.outcome if isinstance(end, Failed) else end for end in ends] == [settled] * 3

    def test_a_handler_may_clean_up_when_it_is_told_to_end(
        self, harness: Harness, tmp_path: Path
    ) -> None:
        marks = tmp_path / "marks"
        attempt = harness.attempt("cleanup", {"marks": str(marks)})
        harness.executor.submit([attempt])
        wait_for(lambda: _text(marks))

        attempt.reason = Reason.STOPPED
        harness.executor.end([attempt])

        assert failure(harness.next()).outcome == AttemptOutcome.CANCELLED
        wait_for(lambda: _text(marks) == "begin 1\ncancelled True\n")

    def test_attempts_run_side_by_side(self, harness: Harness, tmp_path: Path) -> None:
        payload = {"seconds": 0.5, "marks": str(tmp_path / "marks")}
        harness.executor.submit([harness.attempt("sleep", payload) for _ in range(4)])

        outcomes = [result(harness.next()) for _ in range(4)]

        assert outcomes == ["slept"] * 4
        assert (tmp_path / "marks").read_text().startswith("begin 1\n" * 2)

    def test_a_checkpoint_is_saved_before_the_handler_goes_on(self, harness: Harness) -> None:
        assert result(harness.run("save", {"value": {"page": 3}})) == {"before": None}

        assert orjson.loads(harness.checkpoints[(7, 2)]) == {"page": 3}

    def test_a_handler_reads_a_file_and_keeps_what_it_makes_of_it(
        self, harness: Harness, tmp_path: Path
    ) -> None:
        harness.files[5] = tmp_path / "a.txt"
        harness.files[5].write_text("abc")

        assert result(harness.run("files", {"fetch": 5})) == {"files": [1, 2]}

        assert [hold for hold, _ in harness.kept] == [(7, 2)] * 2
        assert [content for _, content in harness.kept] == [
            Content(b"ABC", "upper.txt", "text/plain"),
            Content(tmp_path / "a.txt", "a.txt", "text/x-mine"),
        ]

    def test_a_file_of_many_megabytes_is_kept(self, harness: Harness) -> None:
        assert result(harness.run("keep", {"megabytes": 20})) == 1

        [(_, content)] = harness.kept
        assert content == Content(b"x" * 20_000_000, "file", "application/octet-stream")

    def test_a_file_that_is_not_there_fails_the_task_for_good(self, harness: Harness) -> None:
        outcome = failure(harness.run("files", {"fetch": 6}))

        assert outcome.for_good
        assert outcome.failure.error_class == "FileMissing"
        assert outcome.failure.message == "there is no file 6"

    def test_a_file_is_not_kept_when_the_lease_is_lost(self, harness: Harness) -> None:
        harness.is_lost = True

        assert failure(harness.run("keep", {"megabytes": 0})).failure.error_class == "LeaseLost"

    def test_a_path_that_is_not_there_is_an_error_of_the_handler(self, harness: Harness) -> None:
        outcome = failure(harness.run("keep", {"path": "/no/such/file"}))

        assert outcome.failure.error_class == "FileNotFoundError"
        assert harness.kept == []

    def test_the_next_attempt_finds_what_was_saved(self, harness: Harness) -> None:
        assert result(harness.run("save", {"value": 2}, checkpoint='{"page": 3}')) == {
            "before": {"page": 3}
        }

    def test_a_step_is_done_once(self, harness: Harness) -> None:
        first = result(harness.run("once"))
        saved = harness.checkpoints[(7, 2)]
        second = result(harness.run("once", checkpoint=saved))

        assert first == {"calls": 1, "paid": "receipt 1", "saved": {"page": 1}}
        assert second == {"calls": 0, "paid": "receipt 1", "saved": {"page": 1}}

    def test_saving_under_a_lost_lease_raises(self, harness: Harness) -> None:
        harness.is_lost = True

        assert failure(harness.run("save", {"value": 1})).failure.error_class == "LeaseLost"

    def test_tasks_that_are_asked_for_come_with_the_outcome(self, harness: Harness) -> None:
        outcome = harness.run("enqueue", {"title": "next", "priority": "high", "tags": ["x"]})

        assert isinstance(outcome, Succeeded)
        (task,) = outcome.enqueued
        assert (task.title, task.priority, list(task.tags)) == ("next", "高", ["x"])

    def test_a_task_that_is_asked_for_wrongly_fails_the_attempt(self, harness: Harness) -> None:
        message = failure(harness.run("enqueue", {"title": "next", "retry_limit": -1}))

        assert message.failure.message.startswith("enqueue: retry_limit: Input should be greater")

    def test_progress_reaches_the_attempt(self, harness: Harness) -> None:
        attempt = harness.attempt("progress")
        harness.executor.submit([attempt])
        harness.next()

        assert attempt.progress is not None
        assert (attempt.progress.percent, attempt.progress.message) == (40, "two fifths")
        assert attempt.progress.stage == "RUNNING"


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


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
            ("kill", "was ended by SIGKILL, as the kernel does when memory runs out"),
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

    def test_a_child_that_served_enough_is_replaced(
        self, process: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process.executor._nursery, "_most_tasks", 1)  # type: ignore[attr-defined]

        pids = {result(process.run("context"))["pid"] for _ in range(4)}

        assert len(pids) >= 3

    def test_a_child_that_ignores_sigterm_is_killed_at_the_end_of_its_lease(
        self, process: Harness
    ) -> None:
        began = time.monotonic()

        outcome = failure(process.run("stubborn", {"marks": os.devnull}, lease=1))

        assert outcome.outcome == AttemptOutcome.TIMED_OUT
        assert time.monotonic() - began < 5

    def test_a_thread_that_was_left_behind_cannot_write_under_the_next_attempt(
        self, process: Harness, tmp_path: Path
    ) -> None:
        marks = tmp_path / "marks"
        marks.touch()
        result(process.run("leave_behind", {"marks": str(marks)}))
        following = process.attempt("follow", {"marks": str(marks)}, fence=3)

        process.executor.submit([following])
        result(process.next())

        assert _text(marks) == "begin 2\nlost\n"
        assert (7, 3) not in process.checkpoints
        assert following.progress is not None
        assert following.progress.percent == 1

    def test_an_answer_to_an_interrupted_save_is_not_taken_for_another(
        self, process: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        marks = tmp_path / "marks"
        asked: list[Future[None]] = []

        def keep_waiting(_hold: Hold, _checkpoint: str) -> "Future[None]":
            asked.append(Future())
            return asked[-1]

        monkeypatch.setattr(process, "save", keep_waiting)
        attempt = process.attempt("insist", {"marks": str(marks)})
        process.executor.submit([attempt])
        wait_for(lambda: len(asked) == 1)
        attempt.reason = Reason.RELEASED
        process.executor.end([attempt])
        wait_for(lambda: len(asked) == 2)
        assert not marks.exists()

        for each in asked:
            each.set_result(None)

        assert process.next() == Released()
        assert _text(marks) == "saved\n"

    def test_a_child_that_is_frozen_in_a_message_holds_up_no_other(self, process: Harness) -> None:
        frozen = process.attempt("freeze", lease=2)
        process.executor.submit([frozen])
        process.executor.submit([process.attempt("context") for _ in range(3)])

        assert [result(process.next())["task_id"] for _ in range(3)] == [7] * 3

        assert failure(process.next()).outcome == AttemptOutcome.TIMED_OUT

    def test_a_child_that_is_frozen_while_it_is_idle_holds_up_no_other(
        self, process: Harness
    ) -> None:
        os.kill(result(process.run("context"))["pid"], signal.SIGSTOP)
        large = {"text": "x" * PAYLOAD_BYTES}
        process.executor.submit([process.attempt("context", large, lease=1)])

        process.executor.submit([process.attempt("context", large)])

        assert result(process.next())["payload"] == large
        assert failure(process.next()).outcome == AttemptOutcome.TIMED_OUT

    @pytest.mark.usefixtures("process")
    def test_a_child_that_takes_too_much_memory_fails_or_crashes(self) -> None:
        keeper = Harness("def", _small)
        keeper.executor.start()

        outcome = failure(keeper.run("hog"))
        keeper.executor.close(5)

        assert outcome.failure.error_class in {"MemoryError", "Crashed"}


def _small(keeper: Harness) -> Executor:
    nursery = Nursery(MODULES, most_tasks=100, memory_bytes=600 * 1024 * 1024)
    return ProcessExecutor(keeper, nursery, lambda: None)


class TestCoroutine:
    @pytest.mark.parametrize("how", ["stop", "cancel", "exit"])
    def test_nothing_that_a_handler_does_ends_the_loop(self, harness: Harness, how: str) -> None:
        if harness.prefix != "async":
            pytest.skip("only coroutines share a loop")
        harness.executor.submit([harness.attempt("disrupt", {"how": how}, lease=1)])
        harness.next()

        assert result(harness.run("context"))["task_id"] == 7


class TestThread:
    @pytest.fixture
    def thread(self, harness: Harness) -> Harness:
        if harness.prefix != "thread":
            pytest.skip("only threads cannot be ended")
        return harness

    def test_an_attempt_takes_one_thread(self, thread: Harness, tmp_path: Path) -> None:
        before = threading.active_count()
        payload = {"seconds": 30, "marks": str(tmp_path / "marks")}
        attempts = [thread.attempt("cleanup", payload) for _ in range(5)]

        thread.executor.submit(attempts)
        wait_for(lambda: _text(tmp_path / "marks") == "begin 1\n" * 5)

        assert threading.active_count() == before + 5
        for attempt in attempts:
            attempt.reason = Reason.RELEASED
        thread.executor.end(attempts)
        assert [thread.next() for _ in attempts] == [Released()] * 5

    def test_without_a_thread_an_attempt_is_released_uncounted_and_its_slot_is_free(
        self, thread: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        attempt = thread.attempt("context")
        with monkeypatch.context() as patch:
            patch.setattr("threading.Thread.start", refuse)
            thread.executor.submit([attempt])

        released = thread.next()
        assert isinstance(released, Released)
        assert released.failure is not None
        assert released.failure.message == "no thread could be had: can't start new thread"
        assert attempt in thread.free

    def test_a_slot_stays_taken_until_the_thread_ends(
        self, thread: Harness, tmp_path: Path
    ) -> None:
        marks = tmp_path / "marks"
        payload = {"seconds": 1.5, "marks": str(marks)}
        attempt = thread.attempt("sleep", payload, lease=1)

        thread.executor.submit([attempt])
        failure(thread.next())
        held = attempt not in thread.free
        wait_for(lambda: attempt in thread.free)

        assert held
        assert _text(marks) == "begin 1\nend 1\n"
