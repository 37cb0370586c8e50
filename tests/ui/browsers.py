"""Chromium, as tests and screenshots start it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tools.servers.programs import find_browser

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium until the block ends; it asks nobody but the pages that it is led to."""
    program = find_browser()
    assert program, "there is no Chromium: python -m tools.servers install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program.command[0], args=list(OPTIONS), env=dict(os.environ)
        )
        yield running
        running.close()
