"""The client, on an API process of this run or on a server that says what a test wrote down."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from rowlease import Client
from tests.api.process import ApiProcess, api_process
from tests.client.scripted import ScriptedServer, scripted_server


@pytest.fixture(scope="session")
def running_api(database_url: str) -> Iterator[ApiProcess]:
    """One API process for all tests."""
    with api_process(database_url) as process:
        process.wait_until_up("/readyz")
        yield process


@pytest.fixture
def url(engine: Engine, running_api: ApiProcess) -> str:  # noqa: ARG001  # empties the tables
    """Where the API is, with no tasks in it."""
    return str(running_api.client.base_url)


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client of the API."""
    with Client(url) as opened:
        yield opened


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server that answers what the test tells it to."""
    with scripted_server() as running:
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client waited, which pass at once."""
    waited: list[float] = []
    monkeypatch.setattr("rowlease.transports.time.sleep", waited.append)
    return waited
