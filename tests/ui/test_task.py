"""One task in a real browser, and the form of a new one."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import Engine
from starlette.testclient import TestClient

from schema.runtime.transactions import transaction
from schema.states import State, Verb
from schema.verbs import Order, apply
from tests.api.requests import create
from tests.rows import change, claim, fail, make, row, rows, succeed
from tests.ui.states import one_of_each
from tests.ui.watching import Watch

BIG = 9_223_372_036_854_775_807


def buttons(page: Page) -> set[str]:
    """Return the verbs that the task's page offers."""
    found = page.locator("#task [data-verb]")
    return set(found.evaluate_all("all => all.map((each) => each.dataset.verb)"))


@pytest.mark.parametrize("state", State)
def test_a_task_offers_what_its_state_allows(
    page: Page, engine: Engine, client: TestClient, state: State
) -> None:
    task_id = one_of_each(engine)[state]
    page.goto(f"/ui/tasks/{task_id}")

    expect(page.locator("#task .bar .badge")).to_have_text(state)
    allowed = set(client.get(f"/tasks/{task_id}").json()["allowed_actions"])
    assert buttons(page) == allowed - {"reorder"}
    moves = page.get_by_role("button", name="To the front")
    expect(moves).to_have_count(int("reorder" in allowed))


def test_documents_are_text_and_long_numbers_exact(page: Page, client: TestClient) -> None:
    task = create(client, payload={"seed": BIG, "html": "<img src=x onerror=alert(1)>"})
    page.goto(f"/ui/tasks/{task['id']}")

    document = page.locator(".document")
    expect(document).to_contain_text(f'"seed": {BIG}')
    expect(document).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#task img")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "heading"), [("en", "Why it is not running"), ("zh", "为什么没有运行")]
)
def test_a_task_that_waits_tells_every_reason_and_what_to_do(
    page: Page, client: TestClient, language: str, heading: str
) -> None:
    task = create(client, queue="images", available_at="2099-01-02T03:04:00Z")
    client.post("/queues/images/pause", json={"reason": "a <new> model"})
    headers = {"accept-language": language}
    told = client.get(f"/tasks/{task['id']}/why", headers=headers).json()["reasons"]

    page.goto(f"/ui/tasks/{task['id']}?lang={language}")

    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    shown = page.locator(".why li")
    expect(shown).to_have_count(3)
    codes = shown.evaluate_all("all => all.map((each) => each.dataset.reason)")
    assert codes == [each["code"] for each in told] == ["worker", "available_at", "paused_queue"]
    for number, each in enumerate(told):
        expect(shown.nth(number)).to_contain_text(each["remedy"])
    expect(shown.nth(1)).to_contain_text("2099-01-02 03:04")
    expect(shown.nth(2)).to_contain_text("a <new> model")
    shown.nth(2).get_by_role("link").click()
    expect(page).to_have_url("/ui/queues")


def test_the_reasons_go_as_the_task_goes_on(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    with transaction(engine) as connection:
        apply(connection, Order(Verb.PAUSE, "operator", "not now"), [task_id])
    page.goto(f"/ui/tasks/{task_id}")
    expect(page.locator(".why li")).to_contain_text("not now")

    with transaction(engine) as connection:
        apply(connection, Order(Verb.RESUME, "operator"), [task_id])
    expect(page.locator("[data-reason=worker]")).to_contain_text("No worker is alive.")
    claim(engine)

    expect(page.locator("#task .bar .badge")).to_have_text("RUNNING")
    expect(page.locator(".why")).to_have_count(0)


def test_attempts_tell_how_they_ended_and_fold_their_tracebacks(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    fail(engine, *claim(engine))
    change(engine, task_id, "available_at = UTC_TIMESTAMP(6)")
    succeed(engine, *claim(engine))
    page.goto(f"/ui/tasks/{task_id}")

    expect(page.locator(".attempts .outcome")).to_have_text(["succeeded", "failed"])
    expect(page.locator(".attempts pre")).to_be_hidden()
    page.get_by_text("Traceback", exact=True).click()
    expect(page.locator(".attempts pre")).to_contain_text("Traceback ...")
    expect(page.locator("ol.life li.ran")).to_have_count(2)


def test_an_open_traceback_stays_open_when_the_page_keeps_up(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    fail(engine, *claim(engine))
    page.goto(f"/ui/tasks/{task_id}")
    page.get_by_text("Traceback", exact=True).click()

    change(engine, task_id, "status = 'paused'")

    expect(page.locator("#task .bar .badge")).to_have_text("READY")
    expect(page.locator(".attempts pre")).to_be_visible()


def test_the_same_error_elsewhere_is_counted_and_found(page: Page, engine: Engine) -> None:
    make(engine, 3)
    claimed = claim(engine, 3)
    fail(engine, *claimed, for_good=True)
    page.goto(f"/ui/tasks/{claimed[0].id}")

    page.get_by_role("link", name="The same error elsewhere (2)").click()

    expect(page.locator("#rows > tr")).to_have_count(3)


def test_events_tell_who_did_what_and_why(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    with transaction(engine) as connection:
        apply(connection, Order(Verb.PAUSE, "operator", "a <new> model"), [task_id])
    page.goto(f"/ui/tasks/{task_id}")

    last = page.locator(".attempts li").last
    expect(last).to_contain_text("Pause")
    expect(last).to_contain_text("operator")
    expect(last).to_contain_text("a <new> model")


def test_a_verb_with_a_reason_changes_the_task_and_the_page(page: Page, engine: Engine) -> None:
    [task_id] = make(engine)
    page.goto(f"/ui/tasks/{task_id}")

    page.locator("[data-verb=pause]").click()
    page.get_by_label("Reason").fill("not now")
    page.locator("#confirm [data-yes]").click()

    expect(page.locator("#task .bar .badge")).to_have_text("READY")
    assert row(engine, task_id)["status"] == "paused"
    assert rows(engine, "SELECT reason FROM task_events") == [{"reason": "not now"}]


def test_a_verb_that_comes_too_late_is_told_and_the_page_shows_the_state(
    page: Page, engine: Engine, watch: Watch
) -> None:
    watch.expected = ("409 (Conflict)",)
    [task_id] = make(engine)
    page.goto(f"/ui/tasks/{task_id}")
    page.locator("#live").click()
    change(engine, task_id, "status = 'cancelled', finished_at = UTC_TIMESTAMP(6)")

    page.locator("[data-verb=pause]").click()
    page.locator("#confirm [data-yes]").click()

    expect(page.locator(".message[data-kind=error]")).to_contain_text("is STOPPED")
    expect(page.locator("#task .bar .badge")).to_have_text("STOPPED")


def test_moving_to_the_front_makes_it_the_next(page: Page, engine: Engine) -> None:
    _, second = make(engine, 2)
    page.goto(f"/ui/tasks/{second}")

    page.get_by_role("button", name="To the front").click()

    expect(page.locator(".message")).to_contain_text("is moved")
    assert claim(engine)[0].id == second


def test_number_link_and_curl_can_be_copied(context: BrowserContext, engine: Engine) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    [task_id] = make(engine)
    page.goto(f"/ui/tasks/{task_id}")

    page.get_by_role("button", name="curl").click()

    expect(page.locator(".message")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(
        rf'curl -H "Authorization: Bearer \$ROWLEASE_TOKEN" http://127.0.0.1:\d+/tasks/{task_id}',
        copied,
    )


def test_a_task_that_is_not_there_has_a_page_that_says_so(page: Page, watch: Watch) -> None:
    watch.expected = ("404 (Not Found)",)
    page.goto("/ui/tasks/12345")

    expect(page.locator("main")).to_contain_text("There is no task 12345.")


def test_a_task_is_created_as_the_form_says(page: Page, engine: Engine) -> None:
    page.goto("/ui/tasks/new")
    page.get_by_label("Title").fill("a <new> one")
    page.get_by_label("Queue").fill("images")
    page.get_by_label("Priority").select_option("高")
    page.get_by_label("Tags").fill("b, a")
    page.get_by_label("Payload (JSON)").fill(f'{{"seed": {BIG}}}')
    page.get_by_label("Retries").fill("0")
    page.get_by_label("Not before").fill("2099-01-02T03:04")
    page.get_by_label("Hold it").check()

    page.get_by_role("button", name="Create").click()

    expect(page.locator("h1")).to_have_text("a <new> one")
    expect(page.locator("#task .bar .badge")).to_have_text("READY")
    expect(page.locator(".document")).to_contain_text(str(BIG))
    [task] = rows(engine, "SELECT queue, priority, retry_limit, available_at FROM tasks")
    assert (task["queue"], task["priority"], task["retry_limit"]) == ("images", "高", 0)
    assert task["available_at"].isoformat() == "2099-01-02T03:04:00"


def test_what_is_wrong_with_a_form_stands_beside_the_field(
    page: Page, engine: Engine, watch: Watch
) -> None:
    watch.expected = ("422",)
    page.goto("/ui/tasks/new")
    page.get_by_label("Queue").fill("!!")
    page.get_by_label("Payload (JSON)").fill("{")
    page.get_by_label("Tags").fill("kept")

    page.get_by_role("button", name="Create").click()
    expect(page.locator("#fault-payload")).to_contain_text("line 1")
    page.get_by_label("Payload (JSON)").fill("")
    page.get_by_role("button", name="Create").click()

    expect(page.locator("#fault-queue")).to_contain_text("letters")
    expect(page.locator("#fault-title")).to_contain_text("required")
    expect(page.get_by_label("Tags")).to_have_value("kept")
    assert not rows(engine, "SELECT id FROM tasks")


def test_a_taken_key_is_told_in_the_form(page: Page, engine: Engine, watch: Watch) -> None:
    watch.expected = ("409",)
    make(engine, unique_key="k")
    page.goto("/ui/tasks/new")
    page.get_by_label("Title").fill("another")
    page.get_by_label("Unique key").fill("k")

    page.get_by_role("button", name="Create").click()

    expect(page.locator("#new > .failure")).to_contain_text("has the same unique_key")


def test_a_duplicate_begins_with_what_the_task_has(page: Page, client: TestClient) -> None:
    task = create(client, title="first", queue="images", tags=["b", "a"], payload={"seed": BIG})
    page.goto(f"/ui/tasks/{task['id']}")

    page.get_by_role("link", name="Duplicate").click()
    expect(page.get_by_label("Queue")).to_have_value("images")
    page.get_by_role("button", name="Create").click()

    expect(page).not_to_have_url(re.compile(r"/new|/" + str(task["id"]) + "$"))
    expect(page.locator(".document")).to_contain_text(str(BIG))
    expect(page.locator(".facts .tag")).to_have_text(["a", "b"])


def test_a_file_is_stored_named_in_the_payload_and_offered_by_the_task(
    page: Page, engine: Engine
) -> None:
    page.goto("/ui/tasks/new")
    page.get_by_label("Title").fill("with a file")
    page.locator("[data-upload]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"notes"}
    )

    expect(page.locator(".message")).to_contain_text("notes.txt: stored")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_have_text("with a file")
    link = page.get_by_role("link", name="notes.txt")
    with page.expect_download() as download:
        link.click()
    assert download.value.path().read_bytes() == b"notes"
    assert rows(engine, "SELECT task_id FROM task_files")


def test_a_file_that_is_not_there_is_told_beside_the_payload(page: Page, watch: Watch) -> None:
    watch.expected = ("422",)
    page.goto("/ui/tasks/new")
    page.get_by_label("Title").fill("without a file")
    page.get_by_label("Payload (JSON)").fill('{"file": 12345}')

    page.get_by_role("button", name="Create").click()

    expect(page.locator("#fault-payload")).to_contain_text("12345")
