"""Plans and locks of the hot statements: they touch what they take and nothing else.

Every test leaves the rows as they were: it rolls back.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from schema import claims, gates, leases, statements
from schema.attempts import Failed, Failure, Released, Snoozed, Succeeded
from schema.endings import Backoff
from schema.models.tasks import CLAIM_INDEX, KEY_INDEX, STATUS_INDEX
from schema.runtime.transactions import transaction
from schema.settling import settle
from tests.conftest import empty
from tests.rows import WORKER, ended, make
from tools.servers import Database

BATCH = 5
RUNNING = 4
QUEUES = ["a", "b"]

pytestmark = pytest.mark.usefixtures("backlog")


@pytest.fixture(scope="module", params=[10, 10_000, 300_000])
def backlog(request: pytest.FixtureRequest, pooled: Engine) -> Iterator[int]:
    """So many rows: a third waiting, the others done, a few in progress and overdue."""
    empty(pooled)
    size: int = request.param
    for queue in QUEUES:
        make(pooled, BATCH, queue=queue)
    with transaction(pooled) as connection:
        _multiply(connection, size)
        connection.exec_driver_sql(
            "UPDATE tasks SET status = 'in_progress', worker_id = 'w', fence = 1,"
            " started_at = NOW(6), lease_expires_at = '2020-01-01'"
            f" WHERE status = 'to_do' ORDER BY id DESC LIMIT {RUNNING}"
        )
        connection.exec_driver_sql("ANALYZE TABLE tasks").all()
    yield size
    with transaction(pooled) as connection:
        connection.exec_driver_sql("TRUNCATE TABLE tasks")


def _multiply(connection: Connection, size: int) -> None:
    count = 2 * BATCH
    while count < size:
        step = min(count, size - count)
        connection.exec_driver_sql(
            "INSERT INTO tasks (title, status, finished_at, completed_at, queue, priority)"
            " SELECT title, IF(id %% 3, 'done', 'to_do'), IF(id %% 3, NOW(6), NULL),"
            " IF(id %% 3, NOW(6), NULL), queue, 1 + id %% 3"
            f" FROM tasks ORDER BY id LIMIT {step}"
        )
        count += step


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    """A transaction that is undone."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def rows_read(connection: Connection) -> int:
    """How many rows and index entries this session has read since FLUSH STATUS."""
    found = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    counted = {"Handler_read_next", "Handler_read_prev", "Handler_read_rnd_next"}
    return sum(int(row.Value) for row in found if row.Variable_name in counted)


def rows_locked(connection: Connection, server: Database) -> int:
    """How many records this transaction has locked."""
    if server.kind == "mysql":
        return int(
            connection.exec_driver_sql(
                "SELECT COUNT(*) FROM performance_schema.data_locks JOIN"
                " performance_schema.threads USING (thread_id)"
                " WHERE processlist_id = CONNECTION_ID() AND lock_type = 'RECORD'"
            ).scalar_one()
        )
    time.sleep(0.2)  # MariaDB shows a new state when nobody has looked for 0.1 s
    return int(
        connection.exec_driver_sql(
            "SELECT trx_rows_locked FROM information_schema.innodb_trx"
            " WHERE trx_mysql_thread_id = CONNECTION_ID()"
        ).scalar_one()
    )


def claim_in(connection: Connection, slots: int, hints: claims.ScanHints | None = None) -> Any:
    entered = gates.enter(connection, lambda _names: QUEUES)
    hints = hints or claims.ScanHints()
    return claims.claim(connection, WORKER, gates=entered, slots=slots, hints=hints)


def explain(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> dict[str, Any]:
    plan = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", parameters)
    (step,) = plan.mappings().all()
    return dict(step)


NOW = "2030-01-01"

PLANS = {
    "claim": (statements.CLAIM, ("a", "中", NOW, 3), CLAIM_INDEX),
    "claim onward": (
        statements.CLAIM_ONWARD,
        ("a", "中", "2026-01-01", 1, "2026-01-01", NOW, 3),
        CLAIM_INDEX,
    ),
    "look at a place": (statements.CLAIMABLE_IN, (0, "a", "中"), CLAIM_INDEX),
    "look at all": (statements.ANY_CLAIMABLE, (), CLAIM_INDEX),
    "take": (statements.TAKE_LEASES.format(ids="1,2,3"), ("w", NOW, NOW), "PRIMARY"),
    "settle": (
        statements.SETTLE.format(
            changes="status = 'done'", holds="(1,1),(2,1),(3,1)", guard="stop_requested_at IS NULL"
        ),
        (),
        "PRIMARY",
    ),
    "lock for a verb": (statements.LOCK_FOR_VERB.format(ids="1,2,3"), (), "PRIMARY"),
    "verb": (
        statements.VERB.format(
            changes="status = 'paused'", ids="1,2,3", statuses="'to_do','retrying'"
        ),
        (),
        "PRIMARY",
    ),
    "lock held": (statements.LOCK_HELD.format(ids="1,2,3"), (), "PRIMARY"),
    "who has keys": (
        statements.KEY_HOLDERS.format(keys="%s,%s,%s"),
        ("a", "b", "c"),
        KEY_INDEX,
    ),
    "unlocked": (statements.UNLOCKED.format(ids="1,2,3"), (), "PRIMARY"),
    "unheeded": (statements.UNHEEDED, (30.0, 100), STATUS_INDEX),
    "overdue": (statements.OVERDUE, (100,), STATUS_INDEX),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_plan_uses_the_index_that_it_is_meant_for(pooled: Engine, name: str) -> None:
    statement, parameters, index = PLANS[name]
    with rolled_back(pooled) as connection:
        plan = explain(connection, statement, parameters)

    assert plan["key"] == index
    assert plan["type"] in {"range", "ref"}
    assert "filesort" not in (plan["Extra"] or "")
    assert "temporary" not in (plan["Extra"] or "")


def test_a_claim_reads_and_locks_what_it_takes(pooled: Engine, server: Database) -> None:
    with rolled_back(pooled) as connection:
        connection.exec_driver_sql("FLUSH STATUS")
        claimed = claim_in(connection, BATCH)
        read = rows_read(connection)
        locked = rows_locked(connection, server)

    assert len(claimed) == BATCH or read < 2 * BATCH
    assert read <= 3 * BATCH + 6  # the range, the UPDATE's rows, payloads, one look at each place
    assert locked <= 2 * BATCH + 6  # the entry of the index and the row


def test_a_claim_behind_the_last_one_reads_and_locks_what_it_takes(
    pooled: Engine, server: Database
) -> None:
    hints = claims.ScanHints()
    with pooled.connect() as first, rolled_back(pooled) as connection:
        claim_in(first, 2, hints)
        connection.exec_driver_sql("FLUSH STATUS")
        claim_in(connection, 2, hints)
        read = rows_read(connection)
        locked = rows_locked(connection, server)
        first.rollback()

    assert read <= 3 * 2 + 6
    assert locked <= 2 * 2 + 6


OUTCOMES = [
    Succeeded("{}"),
    Failed(Failure("E", "m")),
    Failed(Failure("E", "m"), for_good=True),
    Snoozed(1),
    Released(),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda value: type(value).__name__)
def test_a_settle_reads_and_locks_the_tasks_that_it_ends(
    pooled: Engine, server: Database, outcome: Any
) -> None:
    with pooled.connect() as connection:
        claimed = claim_in(connection, BATCH)
        connection.commit()
        connection.exec_driver_sql("FLUSH STATUS")
        lost = settle(connection, [ended(task, outcome) for task in claimed], Backoff())
        read = rows_read(connection)
        locked = rows_locked(connection, server)
        connection.rollback()
        settle(connection, [ended(task, Released()) for task in claimed], Backoff())
        connection.exec_driver_sql("DELETE FROM task_attempts")
        connection.commit()

    assert lost == []
    assert read <= BATCH
    assert locked <= 3 * BATCH + 6  # the row, its entries in the claim and the status index


def test_a_sweep_locks_the_leases_that_it_expires(pooled: Engine, server: Database) -> None:
    with rolled_back(pooled) as connection:
        connection.exec_driver_sql("FLUSH STATUS")
        overdue = leases.overdue(connection, limit=100)
        expired = leases.expire(connection, overdue, Backoff())
        read = rows_read(connection)
        locked = rows_locked(connection, server)

    assert expired == RUNNING
    assert read <= 4 * RUNNING
    assert locked <= 3 * RUNNING + 6


OF_QUEUES = {
    "open": (statements.GATE_OPEN.format(names="%s,%s"), ("a", "b")),
    "room": (statements.GATE_ROOM.format(names="%s,%s"), ("a", "b")),
    "limited": (statements.GATE_LIMITED.format(names="%s,%s"), ("a", "b")),
    "running": (statements.GATE_RUNNING.format(names="%s,%s"), ("a", "b")),
    "spend": (statements.SPEND_TOKENS, (1, "a")),
    "one": (statements.QUEUE, ("a",)),
    "page": (statements.QUEUE_PAGE, ("", 100)),
    "waits for": (statements.WAITS_FOR, (1,)),
}


@pytest.mark.parametrize("name", OF_QUEUES)
def test_beside_queues_tasks_are_looked_up_in_their_indexes(pooled: Engine, name: str) -> None:
    statement, parameters = OF_QUEUES[name]
    with rolled_back(pooled) as connection:
        query = f"EXPLAIN FORMAT=TRADITIONAL {statement}"
        steps = connection.exec_driver_sql(query, parameters).mappings().all()

    for step in steps:
        if step["table"] == "tasks":
            assert step["key"] in {CLAIM_INDEX, STATUS_INDEX, "PRIMARY"}
            assert step["type"] in {"ref", "const"}
        elif step["table"] == "queues":
            assert step["key"] == "PRIMARY"
        assert "filesort" not in (step["Extra"] or "")
        assert "temporary" not in (step["Extra"] or "")


@pytest.mark.parametrize("name", ["open", "limited"])
def test_a_gate_locks_the_queues_that_it_names(pooled: Engine, server: Database, name: str) -> None:
    statement = OF_QUEUES[name][0].replace("%s,%s", "%s")
    with rolled_back(pooled) as connection:
        connection.exec_driver_sql(statement, ("a",)).all()

        assert rows_locked(connection, server) == 1


def test_the_quick_count_reads_indexes(pooled: Engine) -> None:
    with rolled_back(pooled) as connection:
        query = f"EXPLAIN FORMAT=TRADITIONAL {statements.COUNT_QUICKLY}"
        steps = connection.exec_driver_sql(query).mappings().all()

    assert [step["key"] for step in steps] == [CLAIM_INDEX, STATUS_INDEX, STATUS_INDEX]
    for large in (steps[0], steps[2]):
        assert "Using index" in large["Extra"]
        assert "temporary" not in large["Extra"]


def test_the_foremost_task_is_one_look_at_the_index(pooled: Engine) -> None:
    with rolled_back(pooled) as connection:
        plan = explain(connection, statements.FOREMOST, ("a", "中"))

    assert plan["Extra"] == "Select tables optimized away"
