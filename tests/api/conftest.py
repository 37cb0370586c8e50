"""The API in this process, on the database of this run."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.main import build
from schema.runtime.settings import Settings
from tests.api.requests import local_client

CALLBACK_SECRET = f"whsec_{'k' * 43}="


@pytest.fixture(scope="session")
def running_api(database_url: str) -> Iterator[TestClient]:
    """The application, started once for all tests."""
    application = build(
        lambda: Settings(database_url=database_url, callback_secret=CALLBACK_SECRET)
    )
    with local_client(application) as client:
        yield client


@pytest.fixture
def client(engine: Engine, running_api: TestClient) -> TestClient:  # noqa: ARG001  # empties the tables
    """A client of the API, with no tasks in it."""
    running_api.headers.pop("accept-language", None)
    return running_api
