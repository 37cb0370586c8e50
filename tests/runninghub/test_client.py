"""The client of RunningHub's API: what an answer is taken for, and what is not in its errors."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from schema.runtime.runninghub.client import Hub as Client
from schema.runtime.runninghub.client import open_hub
from schema.runtime.runninghub.codes import Meaning
from schema.runtime.runninghub.errors import HubError, Refusal, Unclear, Unreachable
from schema.runtime.runninghub.keys import HubKey
from tests.runninghub.hub import KEY, Hub
from tools.runninghub_double.workflows import PORTRAIT

T = TypeVar("T")

FIELDS: dict[str, Any] = {"workflowId": PORTRAIT, "nodeInfoList": []}


def ask(hub: Hub, question: Callable[[Client], Awaitable[T]], key: str = KEY) -> T:
    """Ask something in an event loop of its own."""

    async def asking() -> T:
        return await question(await open_hub(HubKey("a", key, hub.url)))

    return asyncio.run(asking())


def test_a_run_is_created_asked_about_and_cancelled(hub: Hub) -> None:
    created = ask(hub, lambda client: client.create(FIELDS))
    assert (created.run_id, created.faults) == (hub.runs[0].id, None)

    with pytest.raises(Refusal) as queued:
        ask(hub, lambda client: client.outputs(created.run_id))
    assert queued.value.meaning is Meaning.QUEUED
    ask(hub, lambda client: client.cancel(created.run_id))
    with pytest.raises(Refusal) as failed:
        ask(hub, lambda client: client.outputs(created.run_id))

    assert failed.value.meaning is Meaning.RUN_FAILED
    assert "KSampler: cancelled" in str(failed.value)


def test_numbers_that_come_as_text_are_numbers(hub: Hub) -> None:
    hub.script(queue_seconds=0, run_seconds=0)
    run_id = ask(hub, lambda client: client.create(FIELDS)).run_id

    [output] = ask(hub, lambda client: client.outputs(run_id)) or []
    account = ask(hub, lambda client: client.account())

    assert (output.seconds, output.costs, output.kind) == (0.0, {"coins": "17"}, "png")
    assert (account.running, account.balance) == (0, ("177797", None))
    assert "sign" not in repr(output)


def test_a_file_is_uploaded_and_a_workflow_is_read(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(b"\x89PNG")

    name = ask(hub, lambda client: client.upload(path, "picture.png"))
    graph = ask(hub, lambda client: client.graph(PORTRAIT))

    assert hub.double.bytes_of[name] == b"\x89PNG"
    assert graph["10"]["class_type"] == "LoadImage"


@pytest.mark.parametrize(
    ("how", "value"), [("status", 502), ("garbage", 0), ("cut", 0), ("null", 0)]
)
def test_nobody_knows_what_came_of_a_create_without_a_sound_answer(
    hub: Hub, how: str, value: int
) -> None:
    hub.wrong("create", how, value)

    with pytest.raises(Unclear):
        ask(hub, lambda client: client.create(FIELDS))


@pytest.mark.parametrize(
    ("how", "value", "meaning"),
    [
        ("text_code", 421, Meaning.CAPACITY),
        ("code", 803, Meaning.PERMANENT),
        ("code", 777, Meaning.PASSING),
        ("status", 401, Meaning.KEY),
        ("status", 429, Meaning.CAPACITY),
        ("status", 404, Meaning.PERMANENT),
    ],
)
def test_a_code_is_a_refusal_as_number_as_text_and_as_status(
    hub: Hub, how: str, value: int, meaning: Meaning
) -> None:
    hub.wrong("create", how, value)

    with pytest.raises(Refusal) as refused:
        ask(hub, lambda client: client.create(FIELDS))
    assert refused.value.meaning is meaning


def test_where_nobody_listens_nothing_was_sent(hub: Hub) -> None:
    hub.stop()

    with pytest.raises(Unreachable):
        ask(hub, lambda client: client.create(FIELDS))


def test_code_0_without_data_says_nothing_of_a_run(hub: Hub) -> None:
    run_id = ask(hub, lambda client: client.create(FIELDS)).run_id
    hub.wrong("outputs", "null")

    assert ask(hub, lambda client: client.outputs(run_id)) is None


def test_errors_tell_no_key(hub: Hub) -> None:
    for how, value in [("status", 502), ("garbage", 0), ("code", 802), ("cut", 0)]:
        hub.wrong("create", how, value)
        with pytest.raises(HubError) as error:
            ask(hub, lambda client: client.create(FIELDS))
        assert KEY not in f"{error.value!r}{error.value.__dict__}"
        assert error.value.__cause__ is None
        assert error.value.__suppress_context__ or error.value.__context__ is None
