"""What the server does to transactions: deadlocks, lock waits, snapshots, its clock, its limits."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from api.main import build
from schema import claims, gates, leases, settling, workers
from schema.attempts import Claimed, Failed, Failure, Settlement, Succeeded
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.errors import is_transient
from schema.runtime.settings import Settings
from schema.runtime.transactions import CommitUnknownError, commit, run
from schema.workers import WorkerDescription
from tests.api.requests import local_client, problem
from tests.rows import AT_ONCE, WORKER, attempts, claim, end, ended, make, row, rows
from tests.waiting import wait_for
from tools.faults.checker import Expected, check, report
from tools.faults.evidence import gather
from tools.servers import Database

T = TypeVar("T")

SEED = 20_261_122
DEADLOCK = 1213


@contextmanager
def own_engine(url: str, *session: str, connections: int = 8) -> Iterator[Engine]:
    """An engine of the test's own, whose sessions begin with some statements."""
    engine = create_thread_engine(DatabaseAddress.parse(url), connections=connections)

    def begin(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for statement in session:
            cursor.execute(statement)

    event.listen(engine, "connect", begin)
    yield engine
    engine.dispose()


def take(connection: Connection, slots: int) -> list[Claimed]:
    entered = gates.enter(connection, lambda names: names)
    hints = claims.ScanHints()
    return claims.claim(connection, "w", gates=entered, slots=slots, hints=hints)


def drain(engine: Engine, seed: int) -> None:
    """Claim and settle until nothing is left, with ends that the seed chooses."""
    chosen = random.Random(seed)

    def ending(task: Claimed) -> Settlement:
        failed = Failed(Failure("ValueError", "boom"))
        return ended(task, failed if chosen.random() < 0.2 else Succeeded(), worker_id="w")

    while taken := run(engine, partial(take, slots=7)):
        settle_all(engine, [ending(task) for task in taken])


def settle_all(engine: Engine, ends: list[Settlement]) -> None:
    def settle(connection: Connection) -> list[Settlement]:
        return settling.settle(connection, ends, AT_ONCE)

    assert run(engine, settle) == []


def prove(engine: Engine, *, all_ended: bool = True) -> None:
    evidence = gather(engine)
    broken = check(evidence, Expected(all_ended=all_ended))
    assert not broken, report(evidence, broken)


def test_deadlocks_in_any_statement_lose_nothing(engine: Engine, database_url: str) -> None:
    """Every twentieth statement meets a deadlock, which rolls its transaction back."""
    make(engine, 200, retry_limit=50)
    chosen = random.Random(SEED)

    def fail(connection: Connection, *_: object) -> None:
        if chosen.random() < 0.05:
            connection.connection.rollback()
            raise OperationalError("", {}, Exception(DEADLOCK, "Deadlock found"))

    with own_engine(database_url) as own, ThreadPoolExecutor(4) as threads:
        event.listen(own, "before_cursor_execute", fail)
        for done in [threads.submit(_drain_patiently, own, 5) for _ in range(4)]:
            done.result()

    prove(engine)


def _drain_patiently(engine: Engine, slots: int) -> None:
    """Drain as a worker does, which never gives up: what it had claimed it settles later."""
    while held := _patiently(partial(run, engine, partial(take, slots=slots))):
        ends = [ended(task, Succeeded(), worker_id="w") for task in held]
        _patiently(partial(settle_all, engine, ends))


def _patiently(work: Callable[[], T]) -> T:
    while True:
        try:
            return work()
        except OperationalError as error:
            if not is_transient(error):
                raise


def test_who_locks_rows_in_any_order_gets_through(engine: Engine) -> None:
    ids = make(engine, 8)

    def touch(seed: int) -> None:
        order = random.Random(seed).sample(ids, len(ids))

        def work(connection: Connection) -> None:
            for task_id in order:
                connection.exec_driver_sql(
                    f"UPDATE tasks SET crash_count = crash_count + 1 WHERE id = {task_id}"
                )

        _patiently(partial(run, engine, work))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(touch, range(SEED, SEED + 40)))

    assert {each["crash_count"] for each in rows(engine, "SELECT crash_count FROM tasks")} == {40}


def test_a_lock_that_is_waited_for_in_vain_leaves_nothing_half_done(
    engine: Engine, database_url: str
) -> None:
    make(engine, 3)
    taken = claim(engine, 3)
    ends = [ended(task, Succeeded()) for task in taken]
    with own_engine(database_url, "SET SESSION innodb_lock_wait_timeout = 1") as own:
        with engine.connect() as other:
            other.exec_driver_sql(f"SELECT 1 FROM tasks WHERE id = {taken[2].id} FOR UPDATE").all()
            with own.connect() as connection, pytest.raises(OperationalError, match="1205"):
                settling.settle(connection, ends, AT_ONCE)
        assert rows(engine, "SELECT 1 FROM task_attempts") == []

        settle_all(own, ends)
    prove(engine)


def test_a_server_that_refuses_old_snapshots_is_no_trouble(
    engine: Engine, server: Database, database_url: str
) -> None:
    """MariaDB's innodb_snapshot_isolation; reads of READ COMMITTED have no old snapshot."""
    make(engine, 200)
    setting = ["SET SESSION innodb_snapshot_isolation = 1"] if server.kind == "mariadb" else []
    with own_engine(database_url, *setting) as own, ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(drain, own, SEED + number) for number in range(4)]:
            done.result()

    prove(engine)


def test_a_claim_that_froze_before_its_commit_frees_its_rows(
    engine: Engine, database_url: str
) -> None:
    (task_id,) = make(engine)
    silent = "SET SESSION wait_timeout = 1"
    with own_engine(database_url, silent) as own, own.connect() as frozen:
        assert [task.id for task in take(frozen, 1)] == [task_id]
        (claimed,) = wait_for(lambda: claim(engine))
        with pytest.raises((CommitUnknownError, DBAPIError)):
            commit(frozen)

    assert claimed.fence == 1
    assert end(engine, ended(claimed, Succeeded())) == []
    prove(engine)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_servers_clock_breaks_no_fence(
    engine: Engine, database_url: str, hours: int
) -> None:
    make(engine, timeout_seconds=600, retry_limit=5)
    (claimed,) = claim(engine)
    jump = f"SET SESSION timestamp = UNIX_TIMESTAMP() + {hours * 3600}"
    with own_engine(database_url, jump) as own:
        expired = run(own, lambda c: leases.expire(c, leases.overdue(c, 10), AT_ONCE))
        again = run(own, partial(take, slots=1))
    refused = end(engine, ended(claimed, Succeeded()))

    was_lost = hours > 0
    assert (expired, len(again), len(refused)) == ((1, 1, 1) if was_lost else (0, 0, 0))
    assert [each["fence"] for each in attempts(engine, claimed.id)] == [1]
    assert row(engine, claimed.id)["status"] == ("in_progress" if was_lost else "done")


def test_no_attempt_ends_before_it_began_when_the_servers_clock_was_set_back(
    engine: Engine, database_url: str
) -> None:
    make(engine, timeout_seconds=600, retry_limit=5)
    description = WorkerDescription("h", 1, "0", ["default"], [], slots=1)
    run(engine, lambda c: workers.register(c, WORKER, description))
    claim(engine)
    run(engine, lambda c: workers.leave(c, WORKER))
    with own_engine(database_url, "SET SESSION timestamp = UNIX_TIMESTAMP() - 3600") as own:
        assert run(own, lambda c: leases.expire(c, leases.orphaned(c, 10), AT_ONCE)) == 1

    prove(engine, all_ended=False)


def test_a_server_without_connections_left_is_503_and_heals(
    engine: Engine, server: Database
) -> None:
    make(engine)
    with (
        engine.connect() as admin,
        own_engine(server.url, connections=200) as own,
        local_client(build(lambda: Settings(database_url=server.url))) as client,
    ):
        before = admin.exec_driver_sql("SELECT @@GLOBAL.max_connections").scalar_one()
        admin.exec_driver_sql("SET GLOBAL max_connections = 10")
        with ExitStack() as held:
            with pytest.raises(DBAPIError, match="1040"):
                _take_all(held, own)
            refused = client.get("/tasks")
            alive = client.get("/livez").status_code
        admin.exec_driver_sql(f"SET GLOBAL max_connections = {before}")

        assert problem(refused, 503, refused.json()["code"])
        assert (alive, int(refused.headers["retry-after"])) == (200, 1)
        wait_for(lambda: client.get("/tasks").status_code == 200)


def _take_all(held: ExitStack, engine: Engine) -> None:
    while True:
        held.enter_context(engine.connect())
