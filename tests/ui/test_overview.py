"""The overview in a real browser: what is wrong is said, and where it leads."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from schema import counts, dispatcher, workers
from schema.runtime.transactions import transaction
from schema.states import State
from schema.workers import WorkerDescription
from tests.rows import claim, fail, make, succeed
from tests.ui.states import one_of_each

DESCRIPTION = WorkerDescription("host-a", 4711, "0.1.0", ["*"], ["default"], 4)


@pytest.fixture(autouse=True)
def runs_afterwards(engine: Engine) -> Iterator[None]:
    """Lets the dispatcher run again afterwards."""
    yield
    with transaction(engine) as connection:
        dispatcher.set_running(connection, None, is_running=True)


def count(engine: Engine) -> None:
    """Do what the reaper does with counts."""
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)


def test_every_state_has_a_tile_that_leads_to_its_tasks(page: Page, engine: Engine) -> None:
    one_of_each(engine)
    count(engine)
    page.goto("/ui/")

    for state in State:
        expect(page.locator(f".tile[data-state={state}] b")).to_have_text("1")
    page.locator(".tile[data-state=FAILED]").click()

    expect(page).to_have_url("/ui/tasks?state=FAILED")
    expect(page.locator("#rows > tr")).to_have_count(1)


def test_nothing_is_wrong_with_a_healthy_system(page: Page, engine: Engine) -> None:
    with transaction(engine) as connection:
        workers.register(connection, "w", DESCRIPTION)
    count(engine)
    page.goto("/ui/")

    expect(page.locator(".figure", has_text="Workers alive")).to_contain_text("4 slots")
    expect(page.locator(".banner")).to_have_count(0)


def test_what_is_wrong_is_said_above_all(page: Page, engine: Engine) -> None:
    make(engine, queue="images")
    page.goto("/ui/")

    expect(page.locator(".banner")).to_contain_text(["No reaper has run", "no worker is alive"])


def test_the_dispatcher_is_stopped_and_started_with_a_reason(page: Page, engine: Engine) -> None:
    count(engine)
    page.goto("/ui/")
    page.get_by_role("button", name="Dispatcher").click()
    page.get_by_label("Reason").fill("a <new> release")
    page.locator("#sheet").get_by_role("button", name="Stop").click()

    expect(page.locator(".message")).to_have_text("The dispatcher is stopped.")
    expect(page.locator("#sheet")).to_be_hidden()
    expect(page.locator(".banner")).to_contain_text("a <new> release")
    page.get_by_role("button", name="Dispatcher").click()
    page.locator("#sheet").get_by_role("button", name="Start").click()
    expect(page.locator(".banner")).to_have_count(0)


def test_the_chart_tells_of_the_period_that_is_chosen(page: Page, engine: Engine) -> None:
    make(engine, 3)
    claimed = claim(engine, 3)
    succeed(engine, *claimed[:2])
    fail(engine, claimed[2], for_good=True)
    page.goto("/ui/")

    chart = page.get_by_role("img", name="Attempts that ended: 2 succeeded, 1 failed")
    expect(chart.locator("g")).to_have_count(60)
    page.get_by_role("link", name="7 d").click()

    expect(chart.locator("g")).to_have_count(56)
    expect(page.locator(".periods [aria-current]")).to_have_text("7 d")


def test_classes_of_errors_lead_to_their_tasks(page: Page, engine: Engine) -> None:
    make(engine, 3)
    fail(engine, *claim(engine, 2), for_good=True)
    page.goto("/ui/")

    page.get_by_role("link", name="ValueError").click()

    expect(page.locator("#rows > tr")).to_have_count(2)


def test_it_keeps_up(page: Page, engine: Engine) -> None:
    page.goto("/ui/")
    expect(page.locator(".tile[data-state=PENDING] b")).to_have_text("–")
    expect(page.locator("#live")).to_have_text("Every 5 s")

    make(engine, 2)
    count(engine)

    expect(page.locator(".tile[data-state=PENDING] b")).to_have_text("2", timeout=10_000)
