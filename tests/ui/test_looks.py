"""Every screen for everybody: what axe-core finds in both languages, themes and widths."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from tests.ui.states import one_of_each
from tests.ui.surroundings import surround
from tests.ui.watching import Watch

WHOLE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
"""The size of targets is in WCAG 2.2, and not looked at by default."""

COLOURS = {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}
THEMES = {"light": WHOLE, "dark": COLOURS}
"""What each theme is looked at for: they differ in nothing but colours."""

WIDTHS = (1280, 320)
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
    "/ui/tasks?queue=!!",
    "/ui/tasks/{PENDING}",
    "/ui/tasks/{RUNNING}",
    "/ui/tasks/{FAILED}",
    "/ui/tasks/{SUCCESS}",
    "/ui/tasks/new",
    "/ui/tasks/12345678",
    "/ui/login",
]
DIALOGS = [
    ("/ui/tasks", "[data-dialog=settings]"),
    ("/ui/tasks", "[data-batch=delete]"),
    ("/ui/", "[hx-get$='/ui/dispatcher']"),
    ("/ui/queues", "[hx-get$='/pause']"),
    ("/ui/queues", "[hx-get$='/edit']"),
    ("/ui/schedules", "[hx-get$='/reorder']"),
]
"""Where dialogs are, and what opens them."""

SELECT = """() => {
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
    document.querySelectorAll("[data-select]").forEach((box, at) => { if (at < 2) box.click(); });
}"""
WEAR = "(theme) => { document.documentElement.dataset.theme = theme; }"
SERIOUS = """async (options) => {
    const place = document.querySelector("dialog[open]") ?? document;
    const { violations } = await axe.run(place, options);
    const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    return serious.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}"""
IS_WIDE = "document.documentElement.scrollWidth > innerWidth"


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_no_screen_keeps_anybody_out(
    browser: Browser, base: str, engine: Engine, watch: Watch, language: str
) -> None:
    made = {str(state): task_id for state, task_id in one_of_each(engine).items()}
    made |= surround(engine)
    watch.expected = ("404", "422")
    context = browser.new_context(base_url=base, locale=language, reduced_motion="reduce")
    page = context.new_page()
    watch.follow(page)
    for screen in SCREENS:
        page.goto(screen.format_map(made))
        page.evaluate(SELECT)
        look_at(page, screen)
    for screen, opener in DIALOGS:
        page.goto(screen)
        page.evaluate(SELECT)
        page.locator(opener).first.click()
        page.locator("dialog[open]").wait_for()
        look_at(page, f"{screen} {opener}")
    context.close()


def look_at(page: Page, screen: str) -> None:
    """Look at what a page shows in each width and theme."""
    page.evaluate(Axe().axe_script)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert not page.evaluate(IS_WIDE), f"{screen} scrolls sideways at {width} px"
        for theme, options in THEMES.items():
            page.evaluate(WEAR, theme)
            assert not page.evaluate(SERIOUS, options), (screen, width, theme)


def test_the_theme_and_the_language_are_chosen_and_kept(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/ui/tasks")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Settings and keys").click()
    page.get_by_label("dark").check()
    dark = page.evaluate(ground)
    page.get_by_role("link", name="简体中文").click()

    expect(page.locator("h1")).to_have_text("任务")
    assert light != dark
    assert page.evaluate(ground) == dark
