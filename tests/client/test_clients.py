"""How the two clients are set up, and what they have in common."""

import asyncio
import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import assert_type

import pytest

from rowlease import AsyncClient, Client, Conflict, SettingsError, Task, TaskSummary
from rowlease.tasks import Tasks
from rowlease.transports import finish
from tests.client.answers import task
from tests.client.scripted import Answer, ScriptedServer
from tests.conftest import ROOT


def test_url_and_token_come_from_the_environment(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.will(Answer(200, task()))
    monkeypatch.setenv("ROWLEASE_URL", f"{scripted.url}/api/v1/")
    monkeypatch.setenv("ROWLEASE_TOKEN", "secret")

    with Client() as client:
        client.tasks.get(5)

    (seen,) = scripted.seen
    assert seen.path == "/api/v1/tasks/5"
    assert seen.headers["authorization"] == "Bearer secret"


def test_arguments_win_over_the_environment(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.will(Answer(200, task()))
    monkeypatch.setenv("ROWLEASE_URL", "http://elsewhere.invalid")
    monkeypatch.setenv("ROWLEASE_TOKEN", "other")

    Client(scripted.url, "mine").tasks.get(5)

    assert scripted.seen[0].headers["authorization"] == "Bearer mine"


def test_without_a_token_none_is_sent(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.will(Answer(200, task()))
    monkeypatch.delenv("ROWLEASE_TOKEN", raising=False)

    Client(scripted.url).tasks.get(5)

    assert "authorization" not in scripted.seen[0].headers


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "x", "http://[::", "\0"])
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError, match="ROWLEASE_URL"):
        Client(url)


@pytest.mark.parametrize("token", ["ключ", "a\nb"])
def test_what_is_no_token_is_refused_at_once(token: str) -> None:
    with pytest.raises(SettingsError, match="ROWLEASE_TOKEN") as caught:
        AsyncClient("http://x", token)

    assert token not in str(caught.value)


def test_both_clients_do_the_same(url: str) -> None:
    async def through(client: AsyncClient) -> list[str]:
        async with client:
            made = assert_type(await client.tasks.create(title="async"), Task)
            assert_type(await client.tasks.get(made.id), Task)
            with pytest.raises(Conflict):
                await client.tasks.start(made.id)
            found = []
            async for each in client.tasks.list(limit=1):
                found.append(assert_type(each, TaskSummary).title)  # noqa: PERF401
            return found

    with Client(url) as client:
        made = assert_type(client.tasks.create(title="sync"), Task)
        assert_type(client.tasks.get(made.id), Task)
        with pytest.raises(Conflict):
            client.tasks.start(made.id)
        found = [assert_type(each, TaskSummary).title for each in client.tasks.list(limit=1)]

    assert found == ["sync"]
    assert asyncio.run(through(AsyncClient(url))) == ["async", "sync"]


def test_the_sync_client_works_inside_an_event_loop(url: str) -> None:
    async def main() -> list[str]:
        with Client(url) as client:
            client.tasks.create(title="a")
            return [each.title for each in client.tasks.list()]

    assert asyncio.run(main()) == ["a"]


def test_several_threads_may_share_a_client(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: client.tasks.create(title=str(n)), range(40)))

    assert {each.id for each in made} == {each.id for each in client.tasks.list(limit=7)}


def test_many_requests_of_an_async_client_go_on_at_once(url: str) -> None:
    async def main() -> set[str]:
        async with AsyncClient(url) as client, asyncio.TaskGroup() as group:
            made = [
                group.create_task(client.tasks.create(title=str(number))) for number in range(20)
            ]
        return {each.result().title for each in made}

    assert asyncio.run(main()) == {str(number) for number in range(20)}


def test_methods_keep_their_names_parameters_and_documentation() -> None:
    waiting = Client("http://x").tasks.wait

    assert waiting.__name__ == Tasks.wait.__name__ == "wait"
    assert "WaitTimeout" in (inspect.getdoc(waiting) or "")
    assert list(inspect.signature(waiting).parameters) == ["task_id", "timeout"]


def test_importing_it_loads_neither_the_command_line_nor_the_processes() -> None:
    script = "import sys, rowlease; print(*sys.modules)"

    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    loaded = set(ran.stdout.split())
    assert "httpx2" in loaded
    assert not loaded & {"typer", "pydantic", "api", "worker", "schema", "sqlalchemy"}


def test_a_coroutine_that_would_suspend_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="suspended"):
        finish(asyncio.sleep(0))
