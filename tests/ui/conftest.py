"""The dashboard in a real browser, before an API that runs as a process."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import Engine

from tests.api.conftest import client, running_api
from tests.api.process import api_process
from tests.ui.browsers import chromium
from tests.ui.watching import Watch

__all__ = ["client", "running_api"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, started once for the tests of this folder: its loop is in the way of others."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def served(database_url: str) -> Iterator[str]:
    """Where the API without tokens is."""
    with api_process(database_url) as process:
        process.wait_until_up()
        yield str(process.client.base_url).rstrip("/")


@pytest.fixture
def base(engine: Engine, served: str) -> str:  # noqa: ARG001  # empties the tables
    """Where the API is, with no tasks in it."""
    return served


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What pages of this test complain of: nothing, at its end."""
    seen = Watch()
    yield seen
    assert not seen.complaints


@pytest.fixture
def context(browser: Browser, base: str, watch: Watch) -> Iterator[BrowserContext]:
    """A browser that nobody has used, in English, with motion reduced."""
    made = browser.new_context(
        base_url=base,
        locale="en-GB",
        viewport={"width": 1280, "height": 800},
        reduced_motion="reduce",
    )
    made.set_default_timeout(10_000)
    made.on("page", watch.follow)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty page."""
    return context.new_page()
