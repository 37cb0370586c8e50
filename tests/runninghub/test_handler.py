"""What becomes of a workflow: the handler against the double, without a database."""

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schema.runtime.files import StoreError
from tests.runninghub.hub import KEY, Hub
from tools.runninghub_double.double import Double
from tools.runninghub_double.workflows import NEVER_RUN, PORTRAIT
from worker.context import Context
from worker.runninghub import creating, ending, uploads, watching
from worker.runninghub.hints import Hints
from worker.testing import Failed, Held, Performance, QueuePaused, Snoozed, perform

PAYLOAD: dict[str, Any] = {"workflow_id": PORTRAIT}
LONG_AGO = "2026-01-01T00:00:00+00:00"
ACCOUNT = {"running": 0, "balance": ["177814", None]}


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    uploads._known.clear()
    yield
    uploads._known.clear()


@pytest.fixture(autouse=True)
def at_once(hub: Hub) -> Hub:
    """Runs end at once, without files, unless a test says otherwise."""
    hub.script(queue_seconds=0, run_seconds=0, end="empty")
    return hub


def run(payload: dict[str, Any] | None = None, **how: Any) -> Performance:
    how.setdefault("queue", "runninghub")
    how.setdefault("timeout_seconds", 2_400)
    return perform("runninghub", payload or PAYLOAD, **how)


def accepted(hub: Hub, **fields: Any) -> dict[str, Any]:
    """Create a run, and return what is saved of it."""
    created = hub.double.create(KEY, PORTRAIT, [])
    told = {"step": "accepted", "attempt": 1, "refusals": 0, "run_id": created.id}
    return told | {"accepted_at": "2999-01-01T00:00:00+00:00", "balance": []} | fields


def intent(**fields: Any) -> dict[str, Any]:
    return {"step": "creating", "attempt": 1, "refusals": 0, **ACCOUNT} | fields


def test_a_workflow_runs_and_its_result_tells_the_run(hub: Hub) -> None:
    done = run()

    assert done.result == {
        "run_id": hub.runs[0].id,
        "outputs": [],
        "seconds": None,
        "costs": {},
    }
    assert done.saved["step"] == "accepted"


def test_the_payload_reaches_runninghub_in_its_words(hub: Hub) -> None:
    nodes = [{"nodeId": "6", "fieldName": "text", "fieldValue": "一只猫"}]

    run(PAYLOAD | {"node_info_list": nodes, "instance_type": "plus"}, queue="runninghub:second")

    assert hub.runs[0].nodes == nodes


@pytest.mark.parametrize("code", [415, 421, 804, 805, 814, 1003, 1010, 1011, 1520])
def test_where_there_is_no_room_the_task_keeps_its_place(hub: Hub, code: int) -> None:
    hub.wrong("create", "code", code)

    outcome = run().outcome

    assert isinstance(outcome, QueuePaused)
    assert str(code) in outcome.reason
    assert outcome.seconds is not None


def test_pauses_for_want_of_room_grow_and_start_anew_after_a_run(hub: Hub) -> None:
    hub.wrong("create", "code", 421, times=8)
    saved, seconds = None, []
    for _ in range(8):
        done = run(saved=saved)
        assert isinstance(done.outcome, QueuePaused)
        seconds.append(done.outcome.seconds)
        saved = done.saved

    assert seconds == [15, 30, 60, 120, 240, 300, 300, 300]
    assert run(saved=saved).saved["refusals"] == 0


@pytest.mark.parametrize("code", [801, 802, 806, 811, 812, 416])
def test_a_key_or_balance_that_does_not_do_pauses_the_queue_until_resumed(
    hub: Hub, code: int
) -> None:
    hub.wrong("create", "code", code)

    outcome = run().outcome

    assert isinstance(outcome, QueuePaused)
    assert (outcome.seconds, str(code) in outcome.reason) == (None, True)


@pytest.mark.parametrize(
    ("payload", "code", "advice"),
    [
        ({"workflow_id": NEVER_RUN}, "810", "run it once by hand"),
        ({"workflow_id": "1"}, "380", "workflow_id"),
        (
            {"node_info_list": [{"nodeId": "77", "fieldName": "x", "fieldValue": 1}]},
            "803",
            "node_info_list",
        ),
    ],
)
def test_what_would_be_refused_again_fails_for_good_and_says_what_to_do(
    payload: dict[str, Any], code: str, advice: str
) -> None:
    outcome = run(PAYLOAD | payload).outcome

    assert isinstance(outcome, Failed)
    assert outcome.for_good
    assert code in outcome.failure.message
    assert advice in outcome.failure.message


@pytest.mark.parametrize(("how", "value"), [("status", 502), ("cut", 0), ("garbage", 0)])
def test_a_create_that_came_to_nothing_is_sent_again_once_the_account_shows_it(
    hub: Hub, how: str, value: int
) -> None:
    hub.wrong("create", how, value)

    assert run().result["run_id"]

    assert len(hub.runs) == 1
    assert hub.double.calls["account"] == 1 + creating.LOOKS + 1


@pytest.mark.parametrize(("how", "value"), [("status", 502), ("cut", 0), ("garbage", 0)])
@pytest.mark.parametrize("end", ["empty", "never"])
def test_a_create_that_may_have_been_taken_is_not_sent_again(
    hub: Hub, how: str, value: int, end: str
) -> None:
    hub.script(end=end)
    hub.wrong("create", how, value, done=True)

    outcome = run().outcome

    assert isinstance(outcome, Held)
    assert "start the task" in outcome.reason
    assert len(hub.runs) == 1


def test_who_wants_it_creates_again_without_knowing(hub: Hub) -> None:
    hub.script(end="empty")
    hub.wrong("create", "cut", done=True)
    hub.double.accounts[KEY].limit = 2

    done = run(PAYLOAD | {"on_uncertain": "retry"})

    assert done.result["run_id"] == hub.runs[1].id


def test_a_worker_that_died_before_the_create_is_followed_by_one_that_creates(hub: Hub) -> None:
    assert run(saved=intent()).result["run_id"] == hub.runs[0].id


@pytest.mark.parametrize(
    "found",
    [
        {"balance": ["177815", None]},
        {"running": 1},
        {"running": None, "balance": []},
        {"balance": [None, None]},
    ],
)
def test_an_account_that_changed_shows_nothing(hub: Hub, found: dict[str, Any]) -> None:
    done = run(saved=intent(**found))

    assert isinstance(done.outcome, Held)
    assert hub.runs == []
    assert done.saved["step"] == "creating"


def test_what_nobody_knows_stays_so_while_runninghub_is_away(hub: Hub) -> None:
    hub.wrong("account", "status", 503)

    done = run(saved=intent())

    assert isinstance(done.outcome, QueuePaused)
    assert (done.saved["step"], hub.runs) == ("creating", [])


def test_a_worker_that_died_is_followed_by_one_that_takes_its_run_over(hub: Hub) -> None:
    saved = accepted(hub)

    done = run(saved=saved)

    assert done.result["run_id"] == saved["run_id"]
    assert len(hub.runs) == 1
    assert "create" not in hub.double.calls


def test_before_all_else_it_saves_how_far_it_is(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(_key: object) -> None:
        raise SystemExit

    monkeypatch.setattr(creating, "open_hub", die)

    assert run().saved["step"] == "new"
    assert run(saved=accepted(hub)).saved["step"] == "accepted"


def test_a_run_that_fails_fails_the_attempt_with_its_words(hub: Hub) -> None:
    hub.script(end="failure")

    outcome = run().outcome

    assert isinstance(outcome, Failed)
    assert not outcome.for_good
    assert "KSampler: CUDA out of memory" in outcome.failure.message


def test_a_retry_after_a_failed_run_has_a_run_of_its_own(hub: Hub) -> None:
    hub.script(end="failure")
    first = run()
    hub.script(end="empty")

    second = run(saved=first.saved, attempt=2)

    assert second.result["run_id"] == hub.runs[1].id
    assert second.saved["attempt"] == 2


def test_a_takeover_of_a_failed_run_creates_no_other(hub: Hub) -> None:
    hub.script(end="failure")
    first = run()

    assert isinstance(run(saved=first.saved, fence=2).outcome, Failed)
    assert len(hub.runs) == 1


@pytest.mark.parametrize(
    ("how", "value"),
    [("status", 503), ("garbage", 0), ("cut", 0), ("code", 777), ("null", 0)],
)
def test_a_run_is_asked_for_again_whatever_comes_between(hub: Hub, how: str, value: int) -> None:
    hub.wrong("outputs", how, value, times=3)

    assert run().result["run_id"]


def test_who_asks_too_often_asks_later(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def wait(_hints: Hints, seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(Hints, "wait", wait)
    hub.wrong("outputs", "code", 1003)
    hub.wrong("outputs", "null")

    assert run().result["run_id"]
    assert waits == [10, 0.02]


def test_a_run_that_runninghub_does_not_know_for_a_while_is_waited_for(hub: Hub) -> None:
    hub.wrong("outputs", "code", 807, times=watching.MOST_MISSES - 1)
    assert run().result["run_id"]

    hub.wrong("outputs", "code", 807, times=watching.MOST_MISSES)
    outcome = run().outcome
    assert isinstance(outcome, Failed)
    assert outcome.for_good
    assert f"run {hub.runs[1].id} any more: look there" in outcome.failure.message


def test_a_run_beyond_its_time_is_cancelled_there_and_timed_out(hub: Hub) -> None:
    hub.script(end="never")

    done = run(saved=accepted(hub, accepted_at=LONG_AGO))

    assert done.word == "timed_out"
    assert "30 min" in done.failure.message
    assert "cancelled there" in done.failure.message
    assert hub.states == ["FAILED"]


def test_a_run_that_ended_while_nobody_looked_is_taken_however_late(hub: Hub) -> None:
    assert run(saved=accepted(hub, accepted_at=LONG_AGO)).result["outputs"] == []


def test_a_time_out_says_when_the_run_may_go_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "TRIES", 1)
    hub.script(end="never")
    hub.wrong("cancel", "status", 503)

    done = run(saved=accepted(hub, accepted_at=LONG_AGO))

    assert done.word == "timed_out"
    assert "may go on there" in done.failure.message


def test_a_run_ends_before_the_lease_does(hub: Hub) -> None:
    hub.script(end="never")

    done = run(timeout_seconds=int(watching.LEASE_MARGIN.total_seconds()))

    assert done.word == "timed_out"
    assert hub.states == ["FAILED"]


def test_a_queue_without_a_key_is_paused_and_says_what_to_set(hub: Hub) -> None:
    outcome = run(queue="runninghub:third").outcome

    assert isinstance(outcome, QueuePaused)
    assert "RUNNINGHUB_KEYS" in outcome.reason
    assert hub.runs == []


def test_runninghub_that_is_away_pauses_the_queue(hub: Hub) -> None:
    hub.stop()

    outcome = run().outcome

    assert isinstance(outcome, QueuePaused)
    assert outcome.seconds == 10
    assert "cannot be reached" in outcome.reason


def test_no_log_tells_a_key_or_a_signed_address(
    hub: Hub, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    hub.script(end="success")
    hub.wrong("outputs", "status", 503)

    run()

    told = caplog.text + "".join(capfd.readouterr())
    assert KEY not in told
    assert "signature" not in "".join(
        record.getMessage() for record in caplog.records if record.name != "httpx2"
    )


def test_outputs_become_files_of_ours(hub: Hub) -> None:
    hub.script(end="success")

    done = run()

    [file] = done.result["outputs"]
    [kept] = done.kept.values()
    assert (kept.content_type, kept.content[:4]) == ("image/png", b"\x89PNG")
    assert file["file"] in done.kept
    assert file["name"] == f"{PORTRAIT}-{hub.runs[0].id}-1.png"
    assert (file["node_id"], done.result["costs"]) == ("9", {"coins": "17"})
    assert "http" not in str(done.result) + str(done.checkpoint)


def test_files_that_cannot_be_fetched_are_fetched_later(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.script(end="success")
    signatures = itertools.count()  # no address is served
    monkeypatch.setattr(Double, "signature", lambda *_: str(next(signatures)))

    assert isinstance(run(saved=accepted(hub)).outcome, Snoozed)
    old = run(saved=accepted(hub, accepted_at=LONG_AGO)).outcome

    assert isinstance(old, Failed)
    assert "cannot be fetched" in old.failure.message


@pytest.mark.parametrize("error", [StoreError("away"), OSError(28, "No space left on device")])
def test_outputs_that_cannot_be_stored_are_stored_later(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    hub.script(end="success")
    refuse(monkeypatch, "keep", error)

    later = run(saved=accepted(hub))

    assert isinstance(later.outcome, Snoozed)
    assert later.saved["run_id"] == hub.runs[0].id


def test_a_store_that_fails_before_the_run_pauses_the_queue(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "fetch", StoreError("away"))

    outcome = with_picture(tmp_path).outcome

    assert isinstance(outcome, QueuePaused)
    assert (outcome.seconds, hub.runs) == (60, [])
    assert "away" in outcome.reason


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Let the store fail."""

    async def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Context, name, fail)


def with_picture(tmp_path: Path, content: bytes = b"\x89PNG picture", **how: Any) -> Performance:
    path = tmp_path / "portrait.png"
    path.write_bytes(content)
    node = {"nodeId": "10", "fieldName": "image", "fieldValue": {"file": 5}}
    return run(PAYLOAD | {"node_info_list": [node]}, files={5: path}, **how)


def test_a_file_is_uploaded_once_a_day_for_each_key(hub: Hub, tmp_path: Path) -> None:
    for _ in range(2):
        assert with_picture(tmp_path).result["run_id"]
    assert with_picture(tmp_path, queue="runninghub:second").result["run_id"]

    assert hub.double.calls["upload"] == 2
    [name] = {run.nodes[0]["fieldValue"] for run in hub.runs}
    assert name.endswith(".png")
    assert hub.double.bytes_of[name] == b"\x89PNG picture"


def test_an_upload_that_runninghub_has_forgotten_is_uploaded_anew(hub: Hub, tmp_path: Path) -> None:
    with_picture(tmp_path)
    hub.double.accounts[KEY].uploads.clear()

    refused = with_picture(tmp_path).outcome
    assert isinstance(refused, Failed)
    assert "433" in refused.failure.message
    assert with_picture(tmp_path).result["run_id"]


def test_an_upload_is_tried_again_for_it_costs_nothing(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "AGAIN_SECONDS", 0)
    hub.wrong("upload", "cut", times=uploads.TRIES - 1)
    assert with_picture(tmp_path).result["run_id"]

    hub.wrong("upload", "status", 502, times=uploads.TRIES)
    assert isinstance(with_picture(tmp_path, b"another").outcome, QueuePaused)


def test_a_file_that_runninghub_would_refuse_is_not_sent(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 3)

    outcome = with_picture(tmp_path).outcome

    assert isinstance(outcome, Failed)
    assert outcome.for_good
    assert "upload" not in hub.double.calls


def test_a_run_that_nobody_watches_is_cancelled(hub: Hub) -> None:
    hub.script(end="never")
    run_id = hub.double.create(KEY, PORTRAIT, []).id

    perform("runninghub.cancel", {"queue": "runninghub", "run_id": run_id})

    assert hub.states == ["FAILED"]


@pytest.mark.parametrize("queue", ["runninghub", "runninghub:third"])
def test_a_cancel_that_is_not_taken_is_tried_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    monkeypatch.setattr(ending, "TRIES", 1)
    hub.wrong("cancel", "status", 503)

    outcome = perform("runninghub.cancel", {"queue": queue, "run_id": "1"}).outcome

    assert isinstance(outcome, Failed)
    assert not outcome.for_good
    assert "run 1 may go on at RunningHub" in outcome.failure.message
