"""How far a run is, as ComfyUI tells it."""

from typing import Any

import pytest

from schema.runtime.runninghub.client import Hub as Client
from schema.runtime.runninghub.keys import HubKey
from worker.runninghub.progress import ALMOST, Nodes, Progress


def message(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


def test_nodes_that_are_done_and_the_share_of_the_one_that_runs_count() -> None:
    nodes = Nodes(4)
    percents = []
    for each in [
        message("execution_cached", nodes=["1"]),
        message("executing", node="2"),
        message("progress", node="2", value=10, max=20),
        message("executing", node="2"),
        message("execution_cached", nodes=["1", "2"]),
        message("executing", node="3"),
        message("executing", node="4"),
        message("progress", node="4", value=20, max=20),
    ]:
        nodes.take(each)
        percents.append(nodes.percent)

    assert percents == [25, 25, 37.5, 37.5, 50, 50, 75, ALMOST]


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {"type": "progress"},
        message("progress", value="x", max="y"),
        message("progress", value=1, max=0),
        message("executing", node=None),
        message("execution_cached", nodes=None),
        message("status", status={}),
    ],
)
def test_what_is_not_understood_changes_nothing(said: Any) -> None:
    nodes = Nodes(0)
    nodes.take(said)

    assert nodes.percent == 0


@pytest.mark.parametrize("address", [None, "ws://evil.example/ws", "ws://127.0.0.1.evil/ws"])
def test_no_other_host_is_asked(address: str | None) -> None:
    hub: Any = Client(HubKey("a", "k", "http://127.0.0.1:1"), None)  # type: ignore[arg-type]
    progress = Progress(hub, "1", lambda _: None)

    progress.follow(address)  # outside of an event loop, a task would raise

    assert progress._task is None
