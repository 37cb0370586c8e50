"""Workers in a real browser: who lives, how busy each is, and what it runs."""

from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from schema import workers
from schema.runtime.transactions import transaction
from schema.workers import WorkerDescription
from tests.rows import claim, make


def start(engine: Engine, name: str, host: str) -> None:
    """Let a worker begin."""
    description = WorkerDescription(host, 4711, "0.1.0", ["images", "*"], ["http"], 8)
    with transaction(engine) as connection:
        workers.register(connection, name, description)


def test_a_worker_tells_where_it_is_how_busy_it_is_and_what_it_runs(
    page: Page, engine: Engine
) -> None:
    start(engine, "w", "render-1")
    make(engine, 7, title="a <new> picture")
    claim(engine, 7, worker_id="w")
    page.goto("/ui/workers")

    shown = page.locator("tr[data-row]")
    expect(shown).to_contain_text("render-1")
    expect(shown).to_contain_text("pid 4711")
    expect(shown.locator("[data-label=Status]")).to_have_text("alive")
    expect(shown.locator("[data-label=Busy]")).to_contain_text("7 / 8")
    expect(shown.locator("[data-label=Queues]")).to_have_text("images, *")
    expect(shown.locator("[data-label=Heartbeat]")).to_contain_text("ago")
    expect(shown.locator(".held a")).to_have_text(["a <new> picture"] * 5)
    expect(shown).to_contain_text("and 2 more")


def test_a_worker_that_does_not_beat_is_silent_and_one_that_ended_is_below(
    page: Page, engine: Engine
) -> None:
    start(engine, "silent", "render-1")
    start(engine, "stopped", "render-2")
    with transaction(engine) as connection:
        workers.leave(connection, "stopped")
        connection.exec_driver_sql(
            "UPDATE workers SET last_heartbeat_at = UTC_TIMESTAMP(6) - INTERVAL 8 SECOND"
        )
    page.goto("/ui/workers")

    expect(page.locator("tr[data-row] .badge")).to_have_text("silent")
    page.get_by_text("Stopped or dead (1)").click()
    expect(page.locator(".ended li")).to_contain_text("render-2")


def test_the_page_keeps_up_and_what_was_opened_stays_open(page: Page, engine: Engine) -> None:
    start(engine, "stopped", "render-2")
    with transaction(engine) as connection:
        workers.leave(connection, "stopped")
    page.goto("/ui/workers")
    expect(page.locator(".empty")).to_contain_text("python -m worker")
    page.get_by_text("Stopped or dead (1)").click()

    start(engine, "w", "render-1")

    expect(page.locator("tr[data-row]")).to_contain_text("render-1")
    expect(page.locator(".ended li")).to_be_visible()
