"""Pages that keep up by the stream, and by looking where it breaks."""

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import Engine

from tests.api.process import api_process
from tests.rows import change, make
from tests.ui.watching import Watch
from tools.servers import Redis
from tools.servers.proxy import Proxy

SOON_MS = 3_000
"""Sooner than a page that hears nothing looks by itself."""

AGAIN_MS = 20_000

BLIND = "window.setInterval = () => 1;"
"""Before a page's scripts: it never looks by itself, and shows what the stream tells it to."""

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


@pytest.fixture(scope="module")
def beside_redis(database_url: str, redis_process: Redis) -> Iterator[str]:
    """Where an API is that hears by Redis of what others changed."""
    with api_process(database_url, REDIS_URL=redis_process.url) as process:
        process.wait_until_up()
        yield str(process.client.base_url).rstrip("/")


def open_blind(page: Page, address: str) -> None:
    """Lead a page that never looks by itself to a list, and wait until it has begun to listen."""
    page.add_init_script(BLIND)
    with page.expect_response("**/ui/tasks/rows?*"):  # what the snapshot has it look at
        page.goto(address)
    is_live(page)


def act(api: str, task_id: int, verb: str) -> None:
    """Do a verb to a task as any client does."""
    assert httpx2.post(f"{api}/tasks/{task_id}/{verb}").status_code == 200


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


@pytest.mark.usefixtures("redis_server")
def test_with_redis_a_list_hears_of_a_change_however_far_down_it_is(
    page: Page, engine: Engine, beside_redis: str
) -> None:
    ids = make(engine, 150)  # streams tell of the newest 100 by themselves, of others by notices
    open_blind(page, f"{beside_redis}/ui/tasks?before_id={ids[20]}")

    act(beside_redis, ids[5], "pause")

    expect(page.locator(f"#task-{ids[5]} .badge")).to_have_text("READY", timeout=SOON_MS)


def test_a_page_keeps_up_while_redis_goes_and_comes_back(
    page: Page, engine: Engine, beside_redis: str, redis_server: Redis
) -> None:
    [task_id] = make(engine)
    opened: list[str] = []
    page.on("request", lambda request: opened.append(request.url))
    open_blind(page, f"{beside_redis}/ui/tasks")
    badge = page.locator(f"#task-{task_id} .badge")

    redis_server.kill()
    act(beside_redis, task_id, "pause")
    expect(badge).to_have_text("READY", timeout=SOON_MS)
    redis_server.start()
    act(beside_redis, task_id, "resume")
    expect(badge).to_have_text("PENDING", timeout=SOON_MS)

    assert sum("/events" in each for each in opened) == 1
