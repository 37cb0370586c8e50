"""worker.testing.perform, and what docs/handlers.md shows."""

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schema.attempts import Outcome, timed_out
from schema.documents import DocumentError
from schema.states import Stage
from tests.conftest import ROOT
from tests.worker import sample_handlers
from worker import Context, handler, handlers
from worker.handlers import HandlerError
from worker.testing import (
    Failed,
    Failure,
    Held,
    KeptFile,
    Progress,
    QueuePaused,
    Snoozed,
    Succeeded,
    perform,
)

KINDS = ["async", "def", "thread"]

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_payload_and_result_go_through_json(kind: str) -> None:
    done = perform(f"{kind}.context", {"数": (1, 2)}, tags=["b", "a"])

    assert isinstance(done.outcome, Succeeded)
    assert done.result["payload"] == {"数": [1, 2]}
    assert done.result["tags"] == ["a", "b"]
    assert done.word == "succeeded"


@every_kind
def test_the_context_tells_what_the_test_says_of_the_task(kind: str) -> None:
    fields: dict[str, Any] = {
        "task_id": 7,
        "title": "标题",
        "queue": "q",
        "account_id": "a",
        "attempt": 3,
        "fence": 9,
    }

    shown = perform(f"{kind}.context", timeout_seconds=60, **fields).result

    assert {name: shown[name] for name in fields} == fields
    assert (shown["task_type"], shown["payload"]) == (f"{kind}.context", {})
    left = datetime.fromisoformat(shown["deadline"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


def test_a_handler_is_given_as_a_function_too() -> None:
    assert perform(sample_handlers.async_context, {}).result["task_type"] == "async.context"


def test_of_a_function_with_several_types_one_can_be_chosen() -> None:
    shown = perform(sample_handlers.describe, {}, task_type="thread.context").result

    assert shown["task_type"] == "thread.context"


@every_kind
def test_files_are_given_and_what_is_kept_is_shown(kind: str) -> None:
    done = perform(f"{kind}.files", {"fetch": 5}, files={5: b"abc"})

    assert done.result == {"files": [6, 5]}
    assert done.kept == {
        6: KeptFile("upper.txt", "text/plain", b"ABC"),
        5: KeptFile("file", "text/x-mine", b"abc"),
    }
    missing = perform(f"{kind}.files", {"fetch": 6}, files={5: b"abc"})
    assert missing.failure.error_class == "FileMissing"


def test_what_is_built_in_is_there() -> None:
    assert perform("sleep", {"seconds": 0}).result == {"slept_seconds": 0}


@every_kind
def test_a_payload_is_validated(kind: str) -> None:
    assert perform(f"{kind}.model", {"width": 3}).result == {"width": 3, "name": "unnamed"}
    assert perform(f"{kind}.model", sample_handlers.Size(width=3, name="x")).result["name"] == "x"

    refused = perform(f"{kind}.model", {"width": 0})

    assert refused.outcome == Failed(refused.failure, for_good=True)
    assert refused.failure.error_class == "PayloadError"
    assert "width: Input should be greater than or equal to 1" in refused.failure.message


@every_kind
@pytest.mark.parametrize(
    ("how", "outcome", "word"),
    [
        ("snooze", Snoozed(60), "snoozed"),
        ("hold", Held("look at it"), "held"),
        ("pause", QueuePaused("q", "full", 60), "released"),
        (
            "object",
            Failed(
                Failure(
                    "ResultError",
                    "the result cannot be stored: Type is not JSON serializable: object",
                )
            ),
            "failed",
        ),
    ],
)
def test_each_end_is_a_value(kind: str, how: str, outcome: Outcome, word: str) -> None:
    ended = perform(f"{kind}.raise", {"how": how}, queue="q")

    assert ended.outcome == outcome
    assert ended.word == word


@every_kind
@pytest.mark.parametrize(
    ("how", "failure"),
    [
        ("error", ("ValueError", "boom")),
        ("permanent", ("PermanentFailure", "never again")),
        ("exit", ("SystemExit", "3")),
        ("timeout", ("TimeoutError", "the handler's own")),
    ],
)
def test_an_exception_is_a_failure(kind: str, how: str, failure: tuple[str, str]) -> None:
    ended = perform(f"{kind}.raise", {"how": how})

    assert ended.outcome == Failed(ended.failure, for_good=how == "permanent")
    assert (ended.failure.error_class, ended.failure.message) == failure
    assert "misbehave" in (ended.failure.traceback or "")
    with pytest.raises(AssertionError, match=failure[0]):
        _ = ended.result


def test_a_success_has_no_failure() -> None:
    with pytest.raises(AssertionError, match="succeeded"):
        _ = perform("noop").failure


@every_kind
def test_a_checkpoint_is_kept_and_can_be_started_with(kind: str) -> None:
    first = perform(f"{kind}.save", {"value": {"page": 1}})
    second = perform(f"{kind}.save", {"value": {"page": 2}}, saved=first.saved)

    assert (first.result, first.saved) == ({"before": None}, {"page": 1})
    assert (second.result, second.saved) == ({"before": {"page": 1}}, {"page": 2})
    assert perform("noop", saved={"page": 1}).saved == {"page": 1}
    assert perform("noop").saved is None


@every_kind
def test_a_step_that_was_done_once_is_not_done_in_the_next_attempt(kind: str) -> None:
    first = perform(f"{kind}.once", {})
    second = perform(f"{kind}.once", {}, saved=first.checkpoint, attempt=2)

    assert first.result == {"calls": 1, "paid": "receipt 1", "saved": {"page": 1}}
    assert second.result == {"calls": 0, "paid": "receipt 1", "saved": {"page": 1}}


@every_kind
def test_tasks_that_are_asked_for_are_shown(kind: str) -> None:
    done = perform(f"{kind}.enqueue", {"title": "child", "tags": ["x"]})

    (child,) = done.enqueued
    assert (child.title, child.tags) == ("child", ["x"])
    assert child.on_conflict == "return"
    refused = perform(f"{kind}.enqueue", {"title": ""})
    assert refused.enqueued == ()
    assert "enqueue: title" in refused.failure.message


@every_kind
def test_all_progress_is_shown(kind: str) -> None:
    done = perform(f"{kind}.progress", {})

    assert done.progress == (Progress(40, "two fifths", Stage.RUNNING),)


@pytest.mark.usefixtures("registry")
class TestDeadline:
    def test_a_coroutine_is_cancelled_and_may_clean_up(self) -> None:
        @handler("test.slow")
        async def slow(context: Context, _payload: dict[str, Any]) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await context.save({"cancelled": context.cancelled})

        ended = perform(slow, timeout_seconds=1)

        assert ended.outcome == timed_out(1)
        assert ended.word == "timed_out"
        assert ended.saved == {"cancelled": True}

    def test_one_that_succeeds_nevertheless_did_succeed(self) -> None:
        @handler("test.late")
        async def late(_context: Context, _payload: dict[str, Any]) -> str:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return "in time"
            return "never"

        assert perform(late, timeout_seconds=1).result == "in time"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of the test's own."""
    handlers.load([])
    monkeypatch.setattr(handlers, "_registered", dict(handlers._registered))
    monkeypatch.setattr(handlers, "_built_in", set(handlers._built_in))


def test_what_is_no_handler_is_refused() -> None:
    async def plain(context: Context, payload: dict[str, Any]) -> None: ...

    with pytest.raises(HandlerError, match="plain is no handler"):
        perform(plain)
    with pytest.raises(HandlerError, match='no handler is registered for "unheard"'):
        perform("unheard")


def test_a_payload_that_is_not_json_is_the_tests_own_fault() -> None:
    with pytest.raises(DocumentError):
        perform("noop", {"a": object()})


def test_in_a_running_event_loop_it_says_what_to_do() -> None:
    async def in_loop() -> None:
        with pytest.raises(RuntimeError, match=r"asyncio\.to_thread"):
            perform("noop")
        assert (await asyncio.to_thread(perform, "noop")).word == "succeeded"

    asyncio.run(in_loop())


def test_neither_a_database_nor_settings_are_needed() -> None:
    script = "from worker.testing import perform; print(perform('sleep', {'seconds': 0}).result)"

    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.stdout, ran.stderr) == ("{'slept_seconds': 0.0}\n", "")


def run_manual(name: str) -> int:
    """Run the Python blocks of a manual and the tests in them; return how many tests there are."""
    document = ROOT / "docs" / name
    namespace: dict[str, Any] = {"__name__": "images"}
    for block in re.findall(
        r"^```python\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL
    ):
        exec(compile(block, str(document), "exec"), namespace)
    tests = [each for name, each in namespace.items() if name.startswith("test_")]
    for test in tests:
        test()
    return len(tests)


@pytest.mark.usefixtures("registry")
def test_the_manual_of_files_runs() -> None:
    assert run_manual("files.md") == 2


@pytest.mark.usefixtures("registry")
def test_the_blocks_of_the_manual_run_and_their_tests_pass() -> None:
    assert run_manual("handlers.md") >= 6
    assert perform("report").result == "computed in a child process"
    assert perform("legacy").result == "waited in a thread"
    assert perform("nightly").failure.message == "the disk is full"
