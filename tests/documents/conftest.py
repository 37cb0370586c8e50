"""An API for the requests of the pages."""

from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import Engine

from tests.api.conftest import CALLBACK_SECRET
from tests.api.process import ApiProcess, api_process
from tests.documents.scenes import COUNTED, number_from


@pytest.fixture(scope="session")
def running_api(database_url: str) -> Iterator[ApiProcess]:
    """One API process for all pages."""
    with api_process(database_url, CALLBACK_SECRET=CALLBACK_SECRET) as process:
        process.wait_until_up("/readyz")
        yield process


@pytest.fixture
def client(engine: Engine, running_api: ApiProcess) -> Iterator[httpx2.Client]:
    """A client of the API; the first of everything will have the number 1."""
    for table in COUNTED:
        number_from(engine, 1, table)
    with httpx2.Client(base_url=running_api.client.base_url, timeout=60) as opened:
        yield opened
    assert running_api.client.post("/dispatcher/start").status_code == 200
