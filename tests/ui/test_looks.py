"""Every screen for everybody: what axe-core finds, each two of language, theme and width once."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from sqlalchemy import Engine

from tests.ui.states import one_of_each
from tests.ui.surroundings import surround
from tests.ui.watching import Watch

SERIOUS = {"serious", "critical"}
SCREENS = [
    "/ui/tasks",
    "/ui/",
    "/ui/queues",
    "/ui/workers",
    "/ui/schedules",
    "/ui/schedules/{schedule}",
    "/ui/batches",
    "/ui/batches/{batch}",
    "/ui/tasks?queue=nothing",
    "/ui/tasks/{RUNNING}",
    "/ui/tasks/{FAILED}",
    "/ui/tasks/new",
    "/ui/login",
]

SELECT = """() => {
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
    document.querySelectorAll("[data-select]").forEach((box, at) => { if (at < 2) box.click(); });
}"""


@pytest.mark.parametrize(
    ("language", "theme", "width"),
    [
        ("en-GB", "light", 1280),
        ("en-GB", "dark", 320),
        ("zh-CN", "light", 320),
        ("zh-CN", "dark", 1280),
    ],
)
def test_no_screen_keeps_anybody_out(  # noqa: PLR0917  # fixtures, and what varies
    browser: Browser, base: str, engine: Engine, watch: Watch, language: str, theme: str, width: int
) -> None:
    made = {str(state): task_id for state, task_id in one_of_each(engine).items()}
    made |= surround(engine)
    context = browser.new_context(
        base_url=base,
        locale=language,
        color_scheme="dark" if theme == "dark" else "light",
        viewport={"width": width, "height": 800},
        reduced_motion="reduce",
    )
    page = context.new_page()
    watch.follow(page)
    for screen in SCREENS:
        page.goto(screen.format_map(made))
        page.evaluate(SELECT)
        for dialog in ("", "settings") if screen == SCREENS[0] else ("",):
            if dialog:
                page.locator(f"#{dialog}").evaluate("(dialog) => dialog.showModal()")
            found = Axe().run(page).response["violations"]
            serious = [each for each in found if each["impact"] in SERIOUS]
            assert not [(each["id"], each["nodes"][0]["html"]) for each in serious], screen
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{screen} scrolls sideways"
    context.close()
