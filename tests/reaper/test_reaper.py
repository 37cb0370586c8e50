"""The reaper: its chores go on whatever one of them meets."""

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from reaper import reaper
from schema.runtime.outage import Outage
from tests.processes import Start
from tests.rows import age_leases, claim, make, row
from tests.waiting import wait_for


def test_an_expired_lease_is_swept_within_the_interval(engine: Engine, start: Start) -> None:
    (task_id,) = make(engine)
    claim(engine)
    one = start("reaper", REAPER_INTERVAL_SECONDS="0.05")
    one.wait_for_event("reaper started")

    age_leases(engine, task_id)

    wait_for(lambda: row(engine, task_id)["status"] == "retrying")
    assert one.wait_for_event("leases expired")["count"] == 1
    assert one.stop() == 0


def test_several_reapers_expire_a_lease_once(engine: Engine, start: Start) -> None:
    ids = make(engine, 50)
    claim(engine, 50)
    reapers = [start("reaper", REAPER_INTERVAL_SECONDS="0.05") for _ in range(3)]
    for one in reapers:
        one.wait_for_event("reaper started")

    age_leases(engine, *ids)

    wait_for(lambda: all(row(engine, task_id)["status"] == "retrying" for task_id in ids))
    assert [one.stop() for one in reapers] == [0, 0, 0]
    assert {row(engine, task_id)["current_retry_count"] for task_id in ids} == {1}
    assert [line for one in reapers for line in one.log() if line["level"] != "info"] == []


def test_a_reaper_with_wrong_settings_ends_with_one_sentence(start: Start) -> None:
    one = start("reaper", REAPER_INTERVAL_SECONDS="0")

    assert one.wait() == 2
    assert one.errors.read_text() == (
        "reaper: REAPER_INTERVAL_SECONDS: Input should be greater than 0\n"
    )


def test_a_reaper_that_waits_for_its_server_can_be_stopped(start: Start) -> None:
    one = start("reaper", DATABASE_URL="mysql://root@127.0.0.1:1/none")
    one.wait_for_event("waiting for the database")

    assert one.stop() == 0


class TestGuard:
    def test_a_chore_that_fails_is_logged_and_runs_again(self) -> None:
        def chore() -> None:
            raise ValueError("broken")

        guarded = reaper._guarded(chore, Outage("counting"))

        with capture_logs() as log:
            guarded()
            guarded()

        assert [(line["event"], line["chore"]) for line in log] == [
            ("chore failed", "counting")
        ] * 2

    def test_an_outage_is_logged_once(self) -> None:
        away = OperationalError("SELECT 1", {}, Exception(2003, "Can't connect"))
        errors: list[Exception | None] = [away, away, away, None, None]

        def chore() -> None:
            if error := errors.pop(0):
                raise error

        guarded = reaper._guarded(chore, Outage("sweeping"))

        with capture_logs() as log:
            for _ in range(5):
                guarded()

        assert [line["event"] for line in log] == ["database trouble", "database trouble is over"]
        assert log[1]["errors"] == 3
