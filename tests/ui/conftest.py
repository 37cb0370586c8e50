"""The dashboard in a real browser, before an API that runs as a process."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy import Engine

from tests.api.conftest import client, running_api
from tests.api.process import api_process
from tests.ui.watching import Watch
from tools.servers.programs import find_browser

__all__ = ["client", "running_api"]

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once for all tests."""
    program = find_browser()
    assert program, "there is no Chromium: python -m tools.servers install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program.command[0], args=list(OPTIONS), env=dict(os.environ)
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
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
