"""Pages that keep up by the stream, and by looking where it breaks."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import Engine

from tests.rows import change, make
from tests.ui.watching import Watch
from tools.servers.proxy import Proxy

SOON_MS = 3_000
"""Sooner than a page that hears nothing looks by itself."""

AGAIN_MS = 20_000

HIDE = """() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def wire(served: str) -> Iterator[Proxy]:
    """A way to the API that can be cut."""
    proxy = Proxy(served)
    yield proxy
    proxy.close()


def is_live(page: Page) -> None:
    """Wait until the page hears the stream."""
    expect(page.locator("#live")).to_have_attribute("data-live", "stream")


def test_a_list_shows_a_change_as_it_happens(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    page.goto("/ui/tasks?state=PENDING&state=READY")
    is_live(page)
    page.wait_for_load_state("networkidle")

    change(engine, task_id, "status = 'paused', version = version + 1")

    badge = page.locator(f"#task-{task_id} .badge")
    expect(badge).to_have_text("READY", timeout=SOON_MS)


def test_a_task_shows_a_change_as_it_happens(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    page.goto(f"/ui/tasks/{task_id}")
    is_live(page)
    page.wait_for_load_state("networkidle")

    change(engine, task_id, "status = 'paused', version = version + 1")

    expect(page.locator("#task .bar .badge")).to_have_text("READY", timeout=SOON_MS)
    is_live(page)


def test_a_filter_changes_what_is_listened_to(page: Page, engine: Engine) -> None:
    make(engine)
    page.goto("/ui/tasks")
    is_live(page)

    with page.expect_request(lambda request: "/events?state=READY" in request.url):
        page.locator("label.state", has_text="READY").click()

    is_live(page)


def test_a_page_whose_stream_is_cut_looks_by_itself_until_it_is_back(
    page: Page, engine: Engine, wire: Proxy, watch: Watch
) -> None:
    watch.expected = ("net::ERR_",)
    [task_id] = make(engine)
    page.goto(f"{wire.url}/ui/tasks")
    is_live(page)

    def refuse(route: Route) -> None:
        route.abort()

    page.route("**/events*", refuse)
    wire.cut()

    expect(page.locator("#live")).to_have_text("Every 2 s")
    change(engine, task_id, "status = 'paused'")
    expect(page.locator(f"#task-{task_id} .badge")).to_have_text("READY")
    page.unroute("**/events*", refuse)
    expect(page.locator("#live")).to_have_text("Live", timeout=AGAIN_MS)


def test_a_page_that_nobody_looks_at_rests(page: Page, engine: Engine) -> None:
    make(engine)
    page.goto("/ui/tasks")
    is_live(page)

    with page.expect_event("requestfailed", lambda request: "/events" in request.url):
        page.evaluate(HIDE)
