"""What the doctor finds, and that it says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import counts, dispatcher, doctor, pressure, server
from schema.doctor import Look
from schema.findings import DOUBT, FAULT, OK, Finding
from schema.runtime.engine import create_thread_engine
from schema.runtime.transactions import transaction
from tests.accounts import account
from tests.rows import WORKER, make
from tests.schema.test_views import enter_worker
from tools.servers import Database


def found(engine: Engine, look: Look) -> dict[str, Finding]:
    with engine.connect() as connection:
        return {each.about: each for each in doctor.examine(connection, (look,))}


def word(engine: Engine, look: Look, about: str) -> str:
    finding = found(engine, look)[about]
    assert (finding.word == OK) == (finding.remedy == ""), "who is in trouble is told what to do"
    return finding.word


@contextmanager
def changed(engine: Engine, change: str, back: str) -> Iterator[None]:
    with transaction(engine) as connection:
        connection.exec_driver_sql(change)
    try:
        yield
    finally:
        with transaction(engine) as connection:
            connection.exec_driver_sql(back)


def test_a_sound_system_gives_no_cause_for_doubt(engine: Engine) -> None:
    enter_worker(engine)
    make(engine)
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)
    with engine.connect() as connection:
        findings = list(doctor.examine(connection))

    # The servers of tests are not durable: they are quicker so.
    assert [each for each in findings if each.word != OK and each.about != "durable"] == []
    assert len({each.about for each in findings}) == 17


def test_an_index_that_somebody_dropped_is_drift(engine: Engine) -> None:
    change = "DROP INDEX ix_tasks_account_id_id ON tasks"
    back = "CREATE INDEX ix_tasks_account_id_id ON tasks (account_id, id)"
    with changed(engine, change, back):
        finding = found(engine, doctor._drift)["drift"]

    assert (finding.word, "ix_tasks_account_id_id" in finding.text) == (FAULT, True)
    assert word(engine, doctor._drift, "drift") == OK


def test_an_old_revision_is_a_fault(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "revisions", lambda _: ("0001", "0002"))

    assert word(engine, doctor._migration, "tables") == FAULT


def test_another_charset_is_a_fault(engine: Engine) -> None:
    change = "CREATE TABLE other (a VARCHAR(5) CHARACTER SET latin1 COMMENT 'a') COMMENT 'a'"
    with changed(engine, change, "DROP TABLE other"):
        assert word(engine, doctor._charset, "charset") == FAULT


def test_a_claim_by_another_index_is_a_fault(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_id = (
        "SELECT id FROM tasks FORCE INDEX (PRIMARY)"
        " WHERE queue = %s AND priority = %s AND available_at > %s LIMIT %s"
    )
    monkeypatch.setattr(server, "CLAIM", by_id)

    assert word(engine, doctor._claim, "claim") == FAULT


def test_a_transaction_that_stays_open_is_named(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure, "OLD_SECONDS", 0)
    with engine.connect() as idle:
        idle.exec_driver_sql("SELECT * FROM settings FOR UPDATE").all()
        thread = idle.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()

        finding = found(engine, doctor._purge)["snapshot"]

        idle.rollback()
    assert finding.word == DOUBT
    assert f"thread {thread} of root@" in finding.text


def test_a_transaction_of_this_moment_is_in_order(engine: Engine) -> None:
    with engine.connect() as idle:
        idle.exec_driver_sql("SELECT * FROM settings FOR UPDATE").all()

        assert word(engine, doctor._purge, "snapshot") == OK
        idle.rollback()


def test_a_long_history_is_a_doubt(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "LONG_HISTORY", -1)

    assert word(engine, doctor._purge, "history") == DOUBT


def test_what_the_user_may_not_see_is_a_doubt(engine: Engine, server: Database) -> None:
    with account(engine, server, []) as limited:
        one = create_thread_engine(limited.address)
        finding = found(one, doctor._purge)["purge"]
        one.dispose()

    assert finding.word == DOUBT
    assert "PROCESS" in finding.text
    assert "grants.sql" in finding.remedy


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("MySQL 8.0.40", DOUBT),
        ("MySQL 8.4.3", OK),
        ("MySQL 9.7.0", OK),
        ("MariaDB 10.6.20-MariaDB", DOUBT),
        ("MariaDB 10.11.19-MariaDB-0+deb12u1", OK),
    ],
)
def test_a_release_that_gets_no_fixes_is_a_doubt(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, product: str, expected: str
) -> None:
    monkeypatch.setattr(server, "check_version", lambda _: product)

    assert word(engine, doctor._version, "server") == expected


def test_nobody_at_work_is_a_doubt(engine: Engine) -> None:
    assert word(engine, doctor._work, "reaper") == OK
    make(engine)

    assert word(engine, doctor._work, "reaper") == DOUBT
    assert word(engine, doctor._work, "workers") == DOUBT


def test_a_stopped_dispatcher_is_a_doubt(engine: Engine) -> None:
    def switch(*, is_running: bool) -> None:
        with transaction(engine) as connection:
            dispatcher.set_running(connection, None, is_running=is_running)

    switch(is_running=False)
    try:
        assert word(engine, doctor._work, "claims") == DOUBT
    finally:
        switch(is_running=True)


@pytest.mark.parametrize(
    ("session", "about"),
    [
        ("transaction_isolation = 'REPEATABLE-READ'", "isolation"),
        ("time_zone = '+08:00'", "time zone"),
    ],
)
def test_a_session_that_a_proxy_changed_is_a_fault(
    engine: Engine, session: str, about: str, server: Database
) -> None:
    if server.kind == "mariadb":
        session = session.replace("transaction_isolation", "tx_isolation")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET SESSION {session}")
        findings = {each.about: each for each in doctor.examine(connection, (doctor._session,))}
        connection.invalidate()

    assert findings[about].word == FAULT


def test_a_clock_that_is_off_is_a_doubt(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CLOCK_SECONDS", -1.0)

    assert word(engine, doctor._session, "clock") == DOUBT


def test_findings_are_one_line(engine: Engine) -> None:
    enter_worker(engine, WORKER)
    with engine.connect() as connection:
        lines: list[Any] = [str(each) for each in doctor.examine(connection)]

    assert all("\n" not in line for line in lines)
