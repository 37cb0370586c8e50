"""The list of tasks in a real browser: what it shows, selects and does."""

from itertools import combinations

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Engine

from schema import batches, counts
from schema.runtime.transactions import transaction
from schema.states import State
from tests.rows import change, claim, make, row, rows
from tests.ui.states import one_of_each
from tests.ui.watching import Watch

STARTABLE = {State.READY, State.FAILED, State.STOPPED}
STOPPABLE = {State.PENDING, State.QUEUED, State.RUNNING}
SETS = [set(some) for size in range(1, 8) for some in combinations(State, size)]

TICK = """(ids) => {
    document.querySelector("[data-clear]").click();
    for (const id of ids) document.querySelector(`#task-${id} [data-select]`).click();
    return Object.fromEntries([...document.querySelectorAll("[data-batch]")].map(
        (button) => [button.dataset.batch, !button.disabled]));
}"""


def row_of(page: Page, task_id: int) -> Locator:
    """Return the row of a task."""
    return page.locator(f"#task-{task_id}")


def tick(page: Page, *task_ids: int) -> None:
    """Select tasks."""
    for task_id in task_ids:
        row_of(page, task_id).locator("[data-select]").check()


def confirm(page: Page) -> None:
    """Say yes in the dialog."""
    page.locator("#confirm [data-yes]").click()


def titles(page: Page) -> list[str]:
    """Return the titles listed."""
    return page.locator("#rows [data-open]").all_text_contents()


def test_batch_buttons_follow_the_rule_for_all_127_sets_of_states(
    page: Page, engine: Engine
) -> None:
    made = one_of_each(engine)
    page.goto("/ui/tasks")

    assert len(SETS) == 127
    for states in SETS:
        shown = page.evaluate(TICK, [made[state] for state in states])
        expected = {"start": states <= STARTABLE, "stop": states <= STOPPABLE, "delete": True}
        assert shown == expected, states


@pytest.mark.parametrize("state", State)
def test_row_buttons_follow_the_rule(page: Page, engine: Engine, state: State) -> None:
    made = one_of_each(engine)
    page.goto(f"/ui/tasks?state={state}")

    expect(page.locator("#rows > tr")).to_have_count(1)
    expect(row_of(page, made[state]).locator(".badge")).to_have_text(state)
    buttons = row_of(page, made[state]).locator("[data-verb]")
    shown = buttons.evaluate_all("all => all.map((each) => each.dataset.verb)")
    assert set(shown) == {"delete"} | {
        verb for verb, of in (("start", STARTABLE), ("stop", STOPPABLE)) if state in of
    }


def test_a_disabled_batch_button_says_why(page: Page, engine: Engine) -> None:
    made = one_of_each(engine)
    page.goto("/ui/tasks")

    tick(page, made[State.READY], made[State.RUNNING])

    expect(page.locator("[data-why]")).to_contain_text("Start: 1 of 2 are RUNNING")
    expect(page.locator("[data-why]")).to_contain_text("Stop: 1 of 2 are READY")
    expect(page.locator("[data-batch=start]")).to_be_disabled()


def test_a_task_is_started_at_once_and_its_row_shows_it(page: Page, engine: Engine) -> None:
    made = one_of_each(engine)
    page.goto("/ui/tasks?state=FAILED")

    row_of(page, made[State.FAILED]).locator("[data-verb=start]").click()

    expect(row_of(page, made[State.FAILED]).locator(".badge")).to_have_text("PENDING")
    expect(page.locator(".message")).to_contain_text("is started")
    assert row(engine, made[State.FAILED])["status"] == "to_do"


def test_a_deletion_asks_first_and_names_what_goes(page: Page, engine: Engine) -> None:
    [task_id] = make(engine, title="<b>precious</b>")
    page.goto("/ui/tasks")
    delete = row_of(page, task_id).locator("[data-verb=delete]")

    delete.click()
    expect(page.locator("#confirm-title")).to_have_text("Delete 1 task?")
    expect(page.locator("[data-titles]")).to_have_text("<b>precious</b>")
    expect(page.locator("[data-states]")).to_have_text("1 PENDING")
    page.keyboard.press("Escape")
    assert row(engine, task_id)

    delete.click()
    confirm(page)
    expect(row_of(page, task_id)).to_have_count(0)
    assert not row(engine, task_id)


def test_a_state_that_changed_before_the_click_is_told_and_shown(
    page: Page, engine: Engine, watch: Watch
) -> None:
    watch.expected = ("409 (Conflict)",)
    [task_id] = make(engine)
    page.goto("/ui/tasks")
    page.locator("#live").click()
    row_of(page, task_id).locator("[data-verb=stop]").click()
    change(
        engine,
        task_id,
        "status = 'done', finished_at = UTC_TIMESTAMP(6), completed_at = UTC_TIMESTAMP(6)",
    )

    confirm(page)

    expect(page.locator(".message[data-kind=error]")).to_contain_text("is SUCCESS")
    expect(row_of(page, task_id).locator(".badge")).to_have_text("SUCCESS")
    expect(row_of(page, task_id).locator("[data-verb=stop]")).to_have_count(0)


def test_a_task_that_is_gone_leaves_the_list(page: Page, engine: Engine, watch: Watch) -> None:
    watch.expected = ("404 (Not Found)",)
    [task_id] = make(engine)
    page.goto("/ui/tasks")
    page.locator("#live").click()
    row_of(page, task_id).locator("[data-verb=delete]").click()
    rows_gone(engine, task_id)

    confirm(page)

    expect(row_of(page, task_id)).to_have_count(0)
    expect(page.locator(".message[data-kind=error]")).to_contain_text("There is no task")


def rows_gone(engine: Engine, task_id: int) -> None:
    """Take a task away as a DBA would."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"DELETE FROM tasks WHERE id = {task_id}")


def test_a_batch_reports_what_did_not_work_and_keeps_it_selected(
    page: Page, engine: Engine
) -> None:
    good, bad = make(engine, 2)
    page.goto("/ui/tasks")
    page.locator("#live").click()
    tick(page, good, bad)
    change(
        engine,
        bad,
        "status = 'done', finished_at = UTC_TIMESTAMP(6), completed_at = UTC_TIMESTAMP(6)",
    )

    page.locator("[data-batch=stop]").click()
    expect(page.locator("#confirm-title")).to_have_text("Stop 2 tasks?")
    confirm(page)

    report = page.locator("#report")
    expect(report.locator("h2")).to_have_text("Stop: 1 of 2 worked")
    expect(report.locator("li")).to_contain_text(f"Task {bad} is SUCCESS")
    report.get_by_role("button").click()
    expect(page.locator("[data-summary]")).to_have_text("1 selected")
    expect(row_of(page, bad).locator("[data-select]")).to_be_checked()
    expect(row_of(page, good).locator(".badge")).to_have_text("STOPPED")


def test_shift_selects_a_range_and_the_head_shows_none_some_or_all(
    page: Page, engine: Engine
) -> None:
    ids = make(engine, 5)
    page.goto("/ui/tasks")
    head = page.locator("[data-select-all]")

    tick(page, ids[0])
    row_of(page, ids[2]).locator("[data-select]").click(modifiers=["Shift"])

    expect(page.locator("[data-summary]")).to_have_text("3 selected")
    assert head.evaluate("(box) => box.indeterminate")
    head.check()
    expect(page.locator("[data-summary]")).to_have_text("5 selected")
    head.uncheck()
    expect(page.locator("#selection")).to_be_hidden()


def test_all_that_match_are_worked_on_by_the_server(page: Page, engine: Engine) -> None:
    make(engine, 1_200, queue="a")
    [other] = make(engine, queue="b")
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)
    page.goto("/ui/tasks?queue=a&state=PENDING")
    page.locator("[data-select-all]").check()

    page.locator("[data-all-matching]").click()
    expect(page.locator("[data-summary]")).to_have_text("All 1,200 that match")
    expect(page.locator("[data-batch=start]")).to_be_disabled()
    page.locator("[data-batch=stop]").click()
    expect(page.locator("#confirm-title")).to_have_text("Stop 1,200 tasks?")
    confirm(page)

    expect(page.locator("#report progress")).to_be_visible()
    work_off(engine)
    expect(page.locator("#report h2")).to_have_text("Stop: 1,200 of 1,200 worked")
    assert len(rows(engine, "SELECT id FROM tasks WHERE status = 'cancelled'")) == 1_200
    assert row(engine, other)["status"] == "to_do"


def work_off(engine: Engine) -> None:
    """Do what the reaper does with batches."""
    with transaction(engine) as connection:
        [batch_id] = batches.running(connection)
    status: str | None = "running"
    while status == "running":
        with transaction(engine) as connection:
            status = batches.advance(connection, batch_id)


def test_without_a_filter_all_tasks_cannot_be_meant(page: Page, engine: Engine) -> None:
    make(engine, 60)
    page.goto("/ui/tasks")

    page.locator("[data-select-all]").check()

    expect(page.locator("[data-summary]")).to_have_text("50 selected")
    expect(page.locator("[data-all-matching]")).to_be_hidden()


def test_filters_stand_in_the_address_and_back_and_forward_keep_them(
    page: Page, engine: Engine
) -> None:
    one_of_each(engine)
    page.goto("/ui/tasks")

    page.locator("label.state", has_text="FAILED").click()
    expect(page).to_have_url("/ui/tasks?state=FAILED")
    expect(page.locator("#rows > tr")).to_have_count(1)
    page.locator("label.state", has_text="READY").click()
    expect(page.locator("#rows > tr")).to_have_count(2)

    page.go_back()
    expect(page).to_have_url("/ui/tasks?state=FAILED")
    expect(page.locator("#rows > tr")).to_have_count(1)
    expect(page.locator("input[value=FAILED]")).to_be_checked()
    page.go_back()
    expect(page.locator("#rows > tr")).to_have_count(7)
    page.go_forward()
    expect(page.locator("#rows > tr")).to_have_count(1)


def test_values_of_filters_come_one_by_one_and_go_by_a_click(page: Page, engine: Engine) -> None:
    make(engine, queue="a", title="in a")
    make(engine, queue="b", title="in b")
    make(engine, queue="c", title="in c")
    page.goto("/ui/tasks?queue=a")

    page.locator("#queue").fill("b")
    page.locator("#queue").press("Enter")
    expect(page.locator("#rows > tr")).to_have_count(2)
    expect(page).to_have_url("/ui/tasks?queue=b&queue=a")
    page.locator(".chip", has_text="a").click()

    expect(page.locator("#rows > tr")).to_have_count(1)
    assert titles(page) == ["in b"]


def test_a_filter_that_cannot_be_taken_is_explained(
    page: Page, engine: Engine, watch: Watch
) -> None:
    watch.expected = ("422",)
    make(engine)
    page.goto("/ui/tasks?queue=%21%21&schedule_id=x")

    expect(page.locator(".filters .failure")).to_have_count(2)
    expect(page.locator(".empty")).to_contain_text("This cannot be searched for")


def test_pages_go_on_by_the_oldest_number(page: Page, engine: Engine) -> None:
    ids = make(engine, 60)
    page.goto("/ui/tasks")

    page.get_by_role("link", name="Older").click()

    expect(page.locator("#rows > tr")).to_have_count(10)
    expect(row_of(page, ids[0])).to_be_visible()
    page.get_by_role("link", name="Newest").click()
    expect(row_of(page, ids[-1])).to_be_visible()


def test_an_empty_list_says_what_to_do(page: Page) -> None:
    page.goto("/ui/tasks")
    expect(page.locator(".empty")).to_contain_text("Create the first one")
    page.goto("/ui/tasks?state=FAILED")
    expect(page.locator(".empty")).to_contain_text("Take away a filter")


def test_rows_keep_up_and_the_selection_survives(page: Page, engine: Engine) -> None:
    first, second = make(engine, 2)
    page.goto("/ui/tasks")
    tick(page, first, second)
    expect(page.locator("[data-batch=start]")).to_be_disabled()

    change(engine, first, "status = 'paused'")
    change(engine, second, "status = 'paused'")

    expect(row_of(page, first).locator(".badge")).to_have_text("READY")
    expect(row_of(page, first).locator("[data-select]")).to_be_checked()
    expect(page.locator("[data-batch=start]")).to_be_enabled()
    expect(page.locator("[data-batch=stop]")).to_be_disabled()


def test_new_tasks_wait_to_be_asked_for(page: Page, engine: Engine) -> None:
    make(engine, title="old")
    page.goto("/ui/tasks")
    make(engine, 2, title="new")

    fresh = page.locator("#fresh")
    expect(fresh).to_have_text("2 new tasks: show them")
    assert titles(page) == ["old"]
    fresh.click()

    expect(page.locator("#rows > tr")).to_have_count(3)


def test_no_row_moves_when_something_is_selected_or_new(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    page.goto("/ui/tasks")
    expect(page.locator("#live")).to_have_text("Live")
    before = top_of(page, task_id)

    tick(page, task_id)
    make(engine)
    expect(page.locator("#fresh")).to_be_visible()
    expect(page.locator("#selection")).to_be_visible()

    assert top_of(page, task_id) == before


def top_of(page: Page, task_id: int) -> float:
    """Return where a row begins, from the top of the page."""
    # By its id, in one step: what was found before may have been replaced by now.
    ask = "(id) => document.getElementById(id).getBoundingClientRect().top + scrollY"
    return float(page.evaluate(ask, f"task-{task_id}"))


def test_a_deleted_task_stays_in_its_place_struck_out(page: Page, engine: Engine) -> None:
    ids = make(engine, 3)
    page.goto("/ui/tasks")
    tick(page, ids[1])

    rows_gone(engine, ids[1])

    expect(row_of(page, ids[1])).to_have_attribute("data-gone", "")
    expect(page.locator("#selection")).to_be_hidden()
    expect(page.locator("#rows > tr")).to_have_count(3)


def test_a_paused_page_does_not_change_until_it_goes_on(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    page.goto("/ui/tasks")
    live = page.locator("#live")

    live.click()
    expect(live).to_have_text("Paused")
    change(engine, task_id, "status = 'paused'")
    expect(row_of(page, task_id).locator(".badge")).to_have_text("PENDING")
    live.click()

    expect(row_of(page, task_id).locator(".badge")).to_have_text("READY")


def test_keys_search_move_select_and_open(page: Page, engine: Engine) -> None:
    older, newer = make(engine, 2)
    page.goto("/ui/tasks")

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(row_of(page, older).locator("[data-select]")).to_be_checked()
    page.keyboard.press("k")
    expect(row_of(page, newer)).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#q")).to_have_value("x")

    page.goto("/ui/tasks")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"/ui/tasks/{newer}")


def test_single_keys_can_be_switched_off(page: Page, engine: Engine) -> None:
    make(engine)
    page.goto("/ui/tasks")
    page.keyboard.press("?")
    page.get_by_label("Single keys do something").uncheck()
    page.keyboard.press("Escape")

    page.reload()
    page.keyboard.press("/")

    expect(page.locator("#q")).not_to_be_focused()


def test_a_running_task_shows_how_far_it_is(page: Page, engine: Engine) -> None:
    make(engine)
    [claimed] = claim(engine)
    change(engine, claimed.id, "progress = 40, progress_message = 'frame 4'")
    page.goto("/ui/tasks")

    expect(row_of(page, claimed.id).get_by_role("progressbar")).to_have_attribute("value", "40.0")
