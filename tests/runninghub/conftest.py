"""A double as new for each test, and settings that lead the worker to it."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.main import build
from schema.runtime.settings import Settings, settings
from tests.api.requests import local_client
from tests.runninghub.hub import KEY, OTHER_KEY, Hub, running_hub
from tools.servers.ports import LOOPBACK

NOWHERE = "mysql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="session")
def running_api(database_url: str, listening: Hub) -> Iterator[TestClient]:
    keys = hub_settings(listening)["RUNNINGHUB_KEYS"]
    chosen = Settings(database_url=database_url, runninghub_keys=keys)
    with local_client(build(lambda: chosen)) as client:
        yield client


@pytest.fixture
def client(engine: Engine, running_api: TestClient) -> TestClient:  # noqa: ARG001  # empties the tables
    return running_api


@pytest.fixture(scope="session")
def listening() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


@pytest.fixture
def hub(listening: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    listening.forget()
    for name, value in hub_settings(listening).items():
        monkeypatch.setenv(name, value)
    if "DATABASE_URL" not in os.environ:
        monkeypatch.setenv("DATABASE_URL", NOWHERE)
    settings.cache_clear()
    yield listening
    settings.cache_clear()


def hub_settings(hub: Hub) -> dict[str, str]:
    """Return the environment of processes that use a double."""
    return {
        "RUNNINGHUB_KEYS": f"first={KEY}@{hub.url},second={OTHER_KEY}@{hub.url}#2",
        "STATUS_CHECK_INTERVAL": "0.02",
        "HTTP_ALLOW_HOSTS": f"{LOOPBACK}:{hub.port}",
    }
