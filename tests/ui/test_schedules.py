"""Schedules in a real browser: when they run, what became of it, and the verbs."""

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.rows import change, claim, fail, rows, succeed
from tests.schedule_rows import change_schedule, fire, make_schedule, schedule, tasks_of
from tests.ui.watching import Watch

SOON = "next_execution_time = UTC_TIMESTAMP(6) + INTERVAL 3590 SECOND"


def row_of(page: Page, schedule_id: int) -> Locator:
    """Return the row of a schedule."""
    return page.locator(f"#schedule-{schedule_id}")


@pytest.mark.parametrize(
    ("fields", "words", "chinese"),
    [
        ({"interval": 5_400}, "every 1 h 30 min", "每 1 h 30 min"),
        ({"cron": "*/10 * * * *"}, "every 10 min", "每 10 min"),
        ({"cron": "5 * * * *"}, "hourly at minute 5", "每小时的第 5 分钟"),
        ({"cron": "30 2 * * *"}, "daily at 02:30", "每天 02:30"),
        ({"cron": "0 8,20 * * *"}, "daily at 08:00, 20:00", "每天 08:00, 20:00"),
        ({"cron": "30 2 * * 1-5"}, "Monday to Friday at 02:30", "周一至周五 02:30"),
        ({"cron": "30 2 * * 7,3"}, "Sunday, Wednesday at 02:30", "周日, 周三 02:30"),
        ({"cron": "0 9 1 * *"}, "on day 1 of the month at 09:00", "每月 1 日 09:00"),
        ({"cron": "0 9 1 1 *"}, "0 9 1 1 *", "0 9 1 1 *"),
        ({"cron": "7 */5 * * 2#1"}, "7 */5 * * 2#1", "7 */5 * * 2#1"),
    ],
)
def test_when_a_schedule_runs_is_said_in_words(
    client: TestClient, engine: Engine, fields: dict[str, int], words: str, chinese: str
) -> None:
    make_schedule(engine, **fields)

    assert f">{words}<" in client.get("/ui/schedules?lang=en").text
    assert f">{chinese}<" in client.get("/ui/schedules?lang=zh").text
    client.cookies.clear()


def test_a_schedule_tells_its_next_run_window_round_and_last_tasks(
    page: Page, engine: Engine
) -> None:
    made = make_schedule(
        engine, valid_time_range=[[22, 6]], max_rounds=9, overlap="queue", name="<nightly>"
    )
    for _ in range(3):
        change_schedule(engine, made, "next_execution_time = UTC_TIMESTAMP(6)")
        fire(engine)
    first, second = claim(engine, 2)
    succeed(engine, first)
    fail(engine, second, for_good=True)
    change_schedule(engine, made, SOON)
    page.goto("/ui/schedules")

    shown = row_of(page, made)
    expect(shown.locator(".what")).to_contain_text("<nightly>")
    expect(shown.locator("[data-label='Next run']")).to_contain_text("in 59 min")
    expect(shown.locator("[data-label='Round']")).to_have_text("3 / 9")
    expect(shown.get_by_role("img", name="Window: 22:00–06:00 UTC")).to_be_visible()
    expect(shown.locator("rect.window")).to_have_count(2)
    states = shown.locator(".outcomes a").evaluate_all("all => all.map((a) => a.dataset.state)")
    assert states == ["SUCCESS", "FAILED", "PENDING"]


def test_a_schedule_is_paused_and_resumed(page: Page, engine: Engine) -> None:
    made = make_schedule(engine)
    page.goto("/ui/schedules")
    shown = row_of(page, made)

    shown.locator("[data-verb=pause]").click()
    expect(shown.locator(".badge")).to_have_text("paused")
    expect(shown.locator("[data-verb=reorder]")).to_have_count(0)
    shown.locator("[data-verb=resume]").click()

    expect(shown.locator(".badge")).to_have_text("active")


def test_a_schedule_runs_now(page: Page, engine: Engine) -> None:
    made = make_schedule(engine)
    page.goto("/ui/schedules")

    row_of(page, made).locator("[data-verb=run]").click()

    expect(page.locator(".message")).to_contain_text("has made task")
    [task] = tasks_of(engine, made)
    expect(row_of(page, made).locator(".outcomes a")).to_have_attribute(
        "href", f"/ui/tasks/{task['id']}"
    )


@pytest.mark.parametrize(("button", "step"), [("Sooner", -1_800), ("Later", 1_800)])
def test_the_next_run_is_moved(page: Page, engine: Engine, button: str, step: int) -> None:
    made = make_schedule(engine)
    change_schedule(engine, made, SOON)
    before = schedule(engine, made)["next_execution_time"]
    page.goto("/ui/schedules")
    row_of(page, made).locator("[data-verb=reorder]").click()
    page.get_by_label("By so much").fill("30")
    page.get_by_role("button", name=button).click()

    expect(page.locator(".message")).to_contain_text("is moved")
    moved = schedule(engine, made)["next_execution_time"]
    assert (moved - before).total_seconds() == step


def test_a_move_that_cannot_be_taken_is_explained(page: Page, engine: Engine, watch: Watch) -> None:
    watch.expected = ("422",)
    make_schedule(engine)
    page.goto("/ui/schedules")
    page.locator("[data-verb=reorder]").click()
    page.get_by_label("By so much").fill("soon")
    page.get_by_role("button", name="Later").click()

    expect(page.locator("#fault-priority_offset")).to_contain_text("integer")


def test_a_verb_that_comes_too_late_is_told(page: Page, engine: Engine, watch: Watch) -> None:
    watch.expected = ("409",)
    made = make_schedule(engine)
    page.goto("/ui/schedules")
    page.locator("#live").click()
    change_schedule(engine, made, "status = 'completed', next_execution_time = NULL")

    row_of(page, made).locator("[data-verb=pause]").click()

    expect(page.locator(".message[data-kind=error]")).to_contain_text("completed")


def test_one_schedule_has_a_page_with_its_next_runs(page: Page, engine: Engine) -> None:
    made = make_schedule(engine, cron="0 9 * * *", payload={"seed": 9_223_372_036_854_775_807})
    page.goto("/ui/schedules")
    row_of(page, made).locator("[data-open]").click()

    expect(page).to_have_url(f"/ui/schedules/{made}")
    expect(page.locator("ol.runs li")).to_have_count(10)
    expect(page.locator("ol.runs li").first).to_contain_text("09:00:00")
    expect(page.locator(".document")).to_contain_text("9223372036854775807")
    page.locator("[data-verb=run]").click()
    page.locator(".outcomes a").click()

    [task] = tasks_of(engine, made)
    expect(page).to_have_url(f"/ui/tasks/{task['id']}")


def test_a_schedule_that_was_broken_by_hand_still_has_its_page(page: Page, engine: Engine) -> None:
    made = make_schedule(engine)
    change_schedule(engine, made, "timezone = 'Nowhere'")
    page.goto(f"/ui/schedules/{made}")

    expect(page.locator("main")).to_contain_text("changed into something that cannot run")


def test_deleted_tasks_are_no_outcomes(page: Page, engine: Engine) -> None:
    made = make_schedule(engine)
    fire(engine)
    [task] = tasks_of(engine, made)
    claim(engine)
    change(engine, task["id"], "delete_requested_at = UTC_TIMESTAMP(6)")
    page.goto("/ui/schedules")

    expect(row_of(page, made).locator(".outcomes")).to_have_count(0)
    assert rows(engine, "SELECT id FROM tasks")


def test_a_schedule_that_is_not_there_has_a_page_that_says_so(page: Page, watch: Watch) -> None:
    watch.expected = ("404",)
    page.goto("/ui/schedules/12345")
    expect(page.locator("main")).to_contain_text("There is no schedule 12345.")


def test_without_schedules_the_page_says_how_one_comes_to_be(page: Page) -> None:
    page.goto("/ui/schedules")
    expect(page.locator(".empty")).to_contain_text("POST /schedules")
