"""The end of a child whose worker is gone."""

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from schema.attempts import Claimed
from worker.executors import child
from worker.executors.wire import Wire

NOW = datetime.now(UTC).replace(tzinfo=None)
TASK = Claimed(
    id=1,
    fence=1,
    title="a task",
    task_type="def.context",
    queue="default",
    account_id=None,
    timeout_seconds=300,
    attempt=1,
    available_at=NOW,
    started_at=NOW,
    traceparent=None,
    payload=None,
    tags=(),
)


def test_a_child_whose_worker_died_meanwhile_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has an outcome to send, and nobody is there."""

    def nothing(*_: Any) -> None:
        pass

    for name in ("os.setpgid", "die_with_parent", "signal.signal", "logging.configure", "settings"):
        monkeypatch.setattr(f"worker.executors.child.{name}", nothing)
    ours, its = socket.socketpair()
    Wire(ours).send(TASK)
    ours.close()
    notice: Any = None

    child.serve(its, notice, ("tests.worker.sample_handlers",), None)

    its.close()
