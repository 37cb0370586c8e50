"""Batches in a real browser: how far they are, and what became of them."""

from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from schema import batches
from schema.filters import TaskFilter
from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order
from tests.rows import change, make
from tests.ui.test_tasks import work_off
from tests.ui.watching import Watch


def begin(engine: Engine) -> int:
    """Begin to stop 1,002 tasks, one of which is done by then."""
    ids = make(engine, 1_000) + make(engine, 2)
    order = Order(Verb.STOP, "operator", "a <new> model")
    with transaction(engine) as connection:
        batch_id = batches.apply_matching(connection, order, TaskFilter(queue=["default"]))
    assert isinstance(batch_id, int)
    finished = "finished_at = UTC_TIMESTAMP(6), completed_at = UTC_TIMESTAMP(6)"
    change(engine, ids[0], f"status = 'done', {finished}")
    return batch_id


def test_a_batch_tells_how_far_it_is_and_at_its_end_what_did_not_work(
    page: Page, engine: Engine
) -> None:
    batch_id = begin(engine)
    page.goto("/ui/batches")
    shown = page.locator(f"#batch-{batch_id}")
    expect(shown.locator(".badge")).to_have_text("running")
    expect(shown).to_contain_text("queue: default")
    expect(shown).to_contain_text("a <new> model")
    shown.locator("[data-open]").click()
    expect(page.get_by_role("progressbar")).to_be_visible()

    work_off(engine)

    expect(page.locator("#screen .badge").first).to_have_text("completed")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.locator(".attempts li")).to_have_count(1)
    expect(page.locator(".attempts li")).to_contain_text("is SUCCESS")


def test_a_batch_that_is_not_there_has_a_page_that_says_so(page: Page, watch: Watch) -> None:
    watch.expected = ("404",)
    page.goto("/ui/batches/12345")
    expect(page.locator("main")).to_contain_text("There is no batch 12345.")


def test_without_batches_the_page_says_how_one_comes_to_be(page: Page) -> None:
    page.goto("/ui/batches")
    expect(page.locator(".empty")).to_contain_text("more than 1,000 tasks")
