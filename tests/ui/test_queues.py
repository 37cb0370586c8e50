"""Queues in a real browser: how they stand, pauses and limits."""

from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Engine

from schema import queues
from schema.runtime.transactions import transaction
from tests.rows import claim, limit, make, rows, succeed
from tests.ui.watching import Watch


def row_of(page: Page, name: str) -> Locator:
    """Return the row of a queue."""
    return page.locator("tr[data-row]", has=page.get_by_role("link", name=name, exact=True))


def test_a_queue_tells_how_it_stands(page: Page, engine: Engine) -> None:
    limit(engine, "images", max_concurrency=4, rate_limit=60, rate_period_seconds=3_600)
    make(engine, 6, queue="images")
    succeed(engine, *claim(engine, 3))
    claim(engine)
    page.goto("/ui/queues")

    shown = row_of(page, "images")
    expect(shown.locator("[data-label='In progress']")).to_contain_text("1 / 4")
    expect(shown.get_by_role("progressbar")).to_have_attribute("value", "1")
    expect(shown.locator("[data-label='Starts']")).to_have_text("60 in 1 h")
    expect(shown.locator("[data-label='Ended per minute']")).to_have_text("0.6")
    expect(shown.locator("[data-label='Oldest']")).to_contain_text("s")
    expect(shown.locator(".badge")).to_have_text("open")


def test_a_queue_is_paused_with_a_reason_and_resumed(page: Page, engine: Engine) -> None:
    make(engine, queue="images")
    page.goto("/ui/queues")
    row_of(page, "images").get_by_role("button", name="Pause").click()
    page.get_by_label("Reason").fill("a <new> model")
    page.get_by_label("For so long").fill("2")
    page.get_by_label("Unit").select_option("hours")
    page.locator("#sheet").get_by_role("button", name="Pause").click()

    shown = row_of(page, "images")
    expect(shown.locator(".badge")).to_have_text("paused")
    expect(shown).to_contain_text("a <new> model")
    expect(shown).to_contain_text("for 1 h 59 min more")
    shown.get_by_role("button", name="Resume").click()
    page.locator("#sheet").get_by_role("button", name="Resume").click()

    expect(shown.locator(".badge")).to_have_text("open")
    assert rows(engine, "SELECT is_paused FROM queues") == [{"is_paused": 0}]


def test_limits_are_set_and_taken_away(page: Page, engine: Engine) -> None:
    limit(engine, "images", max_concurrency=4, timeout_seconds=60)
    page.goto("/ui/queues")
    row_of(page, "images").get_by_role("button", name="Limits").click()
    expect(page.get_by_label("In progress at once")).to_have_value("4")
    page.get_by_label("In progress at once").fill("")
    page.get_by_label("Starts").fill("10")
    page.get_by_label("in so many seconds").fill("60")
    page.get_by_role("button", name="Save").click()

    expect(row_of(page, "images").locator("[data-label='Starts']")).to_have_text("10 in 1 min")
    columns = "max_concurrency, rate_limit, rate_period_seconds, timeout_seconds"
    assert rows(engine, f"SELECT {columns} FROM queues") == [
        {
            "max_concurrency": None,
            "rate_limit": 10,
            "rate_period_seconds": 60,
            "timeout_seconds": 60,
        }
    ]


def test_how_long_tasks_are_kept_is_set_in_the_form(page: Page, engine: Engine) -> None:
    limit(engine, "images")
    page.goto("/ui/queues")
    row_of(page, "images").get_by_role("button", name="Limits").click()
    page.get_by_label("Done tasks are kept (days)").fill("7")
    page.get_by_label("Failed and cancelled ones").fill("0")
    page.get_by_role("button", name="Save").click()

    expect(page.locator(".message")).to_contain_text("is changed")
    days = "SELECT retention_days, retention_failed_days FROM queues"
    assert rows(engine, days) == [{"retention_days": 7, "retention_failed_days": 0}]


def test_a_limit_that_cannot_be_taken_is_explained_beside_it(
    page: Page, engine: Engine, watch: Watch
) -> None:
    watch.expected = ("422",)
    limit(engine, "images")
    page.goto("/ui/queues")
    row_of(page, "images").get_by_role("button", name="Limits").click()
    page.get_by_label("Starts").fill("many")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#fault-rate_limit")).to_contain_text("integer")
    expect(page.get_by_label("Starts")).to_have_value("many")


def test_a_queue_that_is_gone_is_told(page: Page, engine: Engine, watch: Watch) -> None:
    watch.expected = ("404",)
    limit(engine, "images")
    page.goto("/ui/queues")
    with transaction(engine) as connection:
        queues.remove(connection, "images")

    row_of(page, "images").get_by_role("button", name="Pause").click()

    expect(page.locator(".message[data-kind=error]")).to_contain_text("There is no queue images")


def test_without_queues_the_page_says_how_one_comes_to_be(page: Page) -> None:
    page.goto("/ui/queues")
    expect(page.locator(".empty")).to_contain_text("A queue comes to be with its first task.")
