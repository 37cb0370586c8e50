"""Whether a queue has room for more."""

import pytest
from sqlalchemy import Engine, event

from schema import counts, depth
from schema.runtime.transactions import transaction
from tests.rows import claim, make


def overfull(engine: Engine, most: int, **more: int) -> str | None:
    """Return the queue that would be too long."""
    with transaction(engine) as connection:
        return depth.overfull(connection, more, most)


def test_what_waits_counts_due_or_not(engine: Engine) -> None:
    make(engine, 2)
    make(engine, 1, hold=True)
    make(engine, 5, queue="other")
    claim(engine, 1, queues=["default"])

    assert overfull(engine, 2, default=1) is None
    assert overfull(engine, 2, default=2) == "default"
    assert overfull(engine, 5, default=4, other=1) == "other"
    assert overfull(engine, 3, fresh=3) is None
    assert overfull(engine, 3, fresh=4) == "fresh"


def test_above_the_look_the_count_decides_while_it_may_be_true(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth, "LOOK", 3)
    make(engine, 4)
    assert overfull(engine, 4, default=1) is None  # nobody has counted yet

    with transaction(engine) as connection:
        counts.count(connection, exactly=True)
    assert overfull(engine, 4, default=1) == "default"

    claim(engine, 2)
    assert overfull(engine, 4, default=1) is None  # what is left can be seen at a glance


def test_a_long_queue_is_not_read_to_its_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth, "LOOK", 3)
    asked = []
    with transaction(engine) as connection:
        event.listen(
            connection, "before_cursor_execute", lambda *arguments: asked.append(arguments[3])
        )
        depth.overfull(connection, {"default": 1}, 1_000_000)
        depth.overfull(connection, {"default": 1}, 2)

    assert asked == [("default",), ("default", 2)]
