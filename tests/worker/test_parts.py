"""The small parts of the worker."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import Engine
from structlog.testing import capture_logs

from schema.attempts import Claimed, Failed, Failure, Outcome, Snoozed, Succeeded
from schema.queue_choice import QueueChoice, QueueChoiceError
from schema.states import AttemptOutcome
from tests.rows import AT_ONCE, claim, ended, make
from worker import handlers, polling
from worker.attempt import Attempt
from worker.completer import Completer
from worker.handlers import HandlerError, Kind, handler
from worker.narrator import Narrator
from worker.polling import Polling
from worker.signals import Snooze
from worker.slots import Slots
from worker.unknown import MOST_TYPES, UnknownTypes


class TestHandlers:
    @pytest.fixture(autouse=True)
    def registry(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A registry of the test's own, with what is built in."""
        handlers.load([])
        monkeypatch.setattr(handlers, "_registered", dict(handlers._registered))
        monkeypatch.setattr(handlers, "_built_in", set(handlers._built_in))
        return iter(())

    def test_the_kind_follows_from_the_function(self) -> None:
        @handler("test.async")
        async def one(context: Any, payload: Any) -> None: ...

        @handler("test.def")
        def two(context: Any, payload: Any) -> None: ...

        assert handlers._registered["test.async"].kind == Kind.COROUTINE
        assert handlers._registered["test.def"].kind == Kind.PROCESS

    def test_the_model_is_that_of_the_second_parameter(self) -> None:
        class Model(BaseModel):
            x: int

        async def one(context: Any, payload: Any) -> None: ...

        one.__annotations__["payload"] = Model
        handler("test.model")(one)

        assert handlers._registered["test.model"].model is Model

    def test_two_handlers_for_one_type_are_refused_by_name(self) -> None:
        handler("test.twice")(_first)

        with pytest.raises(HandlerError, match=r'"test.twice": .*_first and .*_second'):
            handler("test.twice")(_second)

    def test_a_built_in_handler_can_be_replaced_once(self) -> None:
        handler("default")(_first)

        assert handlers._registered["default"].function is _first
        with pytest.raises(HandlerError):
            handler("default")(_second)

    def test_a_function_with_other_parameters_is_refused(self) -> None:
        with pytest.raises(HandlerError, match="two parameters"):
            handler("test.none")(lambda: None)

    def test_a_decorator_without_its_parentheses_is_refused(self) -> None:
        with pytest.raises(HandlerError, match="in parentheses"):
            handler(_first)  # type: ignore[arg-type]

    def test_a_module_that_cannot_be_imported_is_named(self) -> None:
        with pytest.raises(HandlerError, match="no_such_module cannot be imported: ModuleNotFound"):
            handlers.load(["no_such_module"])


async def _first(context: Any, payload: Any) -> None: ...


async def _second(context: Any, payload: Any) -> None: ...


class TestQueueChoice:
    @pytest.mark.parametrize(
        ("text", "turns"),
        [
            ("b,a", [["b", "a"], ["b", "a"]]),
            ("*", [["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]),
            ("*,-b", [["c", "a"], ["a", "c"]]),
            ("c,*", [["c", "b", "a"], ["c", "a", "b"]]),
            ("-a,-b", [["c"]]),
            ("a,missing", [["a"]]),
            ("a,-a", [[]]),
        ],
    )
    def test_queues_come_as_named_and_the_others_by_turns(
        self, text: str, turns: list[list[str]]
    ) -> None:
        choice = QueueChoice.parse(text)

        assert [choice.ordered(["a", "b", "c"]) for _ in turns] == turns

    def test_no_queue_at_all_is_refused(self) -> None:
        with pytest.raises(QueueChoiceError, match="names no queue"):
            QueueChoice.parse(" , ")


class TestPolling:
    def test_an_idle_worker_asks_ever_less_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = [50.0]
        monkeypatch.setattr("worker.polling.time.monotonic", lambda: clock[0])
        monkeypatch.setattr("worker.polling.random.uniform", lambda _low, _high: 1)
        idle = Polling()

        waits = []
        for seconds in (0, 1, 600):
            clock[0] = 50 + seconds
            waits.append(idle.next_wait())
        idle.note_task()

        assert waits == [polling.SHORTEST_SECONDS, 0.1, polling.LONGEST_SECONDS]
        assert idle.next_wait() == polling.SHORTEST_SECONDS


class TestSlots:
    def test_slots_are_counted(self) -> None:
        slots = Slots(3)
        slots.take(3)
        assert slots.wait_for_free(0) == 0

        slots.give_back()

        assert slots.wait_for_free(0) == 1

    def test_whoever_waits_is_woken(self) -> None:
        slots = Slots(1)
        slots.take(1)
        threading.Timer(0.01, slots.give_back).start()

        assert slots.wait_for_free(10) == 1

    def test_slots_that_come_free_together_are_taken_together(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("GATHER_SECONDS", "PAUSE_SECONDS"):
            monkeypatch.setattr(f"worker.slots.{name}", 10)
        slots = Slots(6)
        slots.take(6)
        for seconds in (0.01, 0.02, 0.03):
            threading.Timer(seconds, slots.give_back).start()

        assert slots.wait_for_free(10) == 3

    def test_a_slot_is_not_kept_waiting_for_others_that_do_not_come(self) -> None:
        slots = Slots(6)
        slots.take(5)

        assert slots.wait_for_free(10) == 1


class TestCompleter:
    def test_ends_that_come_together_are_written_together(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("GATHER_SECONDS", "PAUSE_SECONDS"):
            monkeypatch.setattr(f"worker.completer.{name}", 10)
        monkeypatch.setattr("worker.completer.BATCH_ROWS", 2)
        make(engine, 2)
        written: list[int] = []
        completer = Completer(
            engine, AT_ONCE, lambda batch, _lost: written.append(len(batch)), lambda: None
        )
        completer.start()

        for task in claim(engine, 2):
            completer.put(ended(task, Succeeded()))

        assert completer.close(10)
        assert written == [2]


class TestUnknownTypes:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The time, in a list so that a test can set it."""
        now = [50.0]
        monkeypatch.setattr("worker.unknown.time.monotonic", lambda: now[0])
        return now

    def test_the_delay_doubles_while_a_type_stays_unknown(self, clock: list[float]) -> None:
        unknown = UnknownTypes()

        delays = []
        for _ in range(9):
            delays.append(unknown.delay("new", 1))
            clock[0] += delays[-1]

        assert delays == [10, 10, 20, 40, 80, 160, 300, 300, 300]
        assert unknown.delay("another", 2) == 10

    def test_a_type_that_was_not_met_for_long_is_new_again(self, clock: list[float]) -> None:
        unknown = UnknownTypes()
        unknown.delay("new", 1)
        clock[0] += 299
        assert unknown.delay("new", 1) == 160
        clock[0] += 601

        assert unknown.delay("new", 1) == 10

    def test_it_is_warned_of_once_a_minute(self, clock: list[float]) -> None:
        unknown = UnknownTypes()
        with capture_logs() as log:
            for seconds in (0, 1, 58, 1, 1):
                clock[0] += seconds
                unknown.delay("new", 7)

        assert [line["given_back"] for line in log] == [1, 3]
        assert log[0]["task_type"] == "new"

    def test_names_that_clients_make_up_do_not_fill_the_memory(self) -> None:
        unknown = UnknownTypes()
        with capture_logs():
            for number in range(3 * MOST_TYPES):
                unknown.delay(f"made up {number}", 1)

        assert len(unknown._types) <= MOST_TYPES


FAILURE = Failure("ValueError", "boom")


@pytest.mark.parametrize(
    ("outcome", "attempt", "level"),
    [
        (Succeeded(), 4, "info"),
        (Failed(FAILURE), 3, "info"),
        (Failed(FAILURE), 4, "warning"),
        (Failed(FAILURE, for_good=True), 1, "warning"),
        (Failed(FAILURE, AttemptOutcome.TIMED_OUT), 4, "warning"),
        (Failed(FAILURE, AttemptOutcome.CRASHED), 2, "info"),
        (Failed(FAILURE, AttemptOutcome.CRASHED), 3, "warning"),
        (Failed(FAILURE, AttemptOutcome.CANCELLED), 4, "info"),
        (Snoozed(1), 4, "info"),
    ],
)
def test_a_failure_that_is_not_retried_is_a_warning(
    outcome: Outcome, attempt: int, level: str
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    task = Claimed(1, 1, "t", "noop", "q", None, 60, attempt, moment, moment, None, None, ())
    running = Attempt(task._replace(retry_limit=3), handlers.load([])["sleep"], "w", 0, 0)

    with capture_logs() as log:
        Narrator().tell(running, outcome, 0)

    assert [line["log_level"] for line in log] == [level]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 10**9])
def test_a_snooze_of_an_impossible_length_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="Snooze takes"):
        Snooze(seconds)
