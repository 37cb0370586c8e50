"""The longest page of the list in a real browser: it is used without lag."""

from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from tests.rows import make

LAG_MS = 1_000
"""A busy machine takes some of it; what makes a page slow by itself takes far more."""

USE = """async () => {
    const $ = (selector) => document.querySelector(selector);
    const longest = async (frames, act) => {
        let most = 0;
        for (let at = 0; at < frames; at++) {
            const began = performance.now();
            act(at);
            await new Promise(requestAnimationFrame);
            most = Math.max(most, performance.now() - began);
        }
        return Math.round(most);
    };
    const once = (act) => (at) => { if (at === 0) act(); };
    const step = document.documentElement.scrollHeight / 60;
    return {
        scrolling: await longest(60, () => scrollBy(0, step)),
        "selecting all": await longest(5, once(() => $("[data-select-all]").click())),
        "selecting one": await longest(5, once(() => $("[data-select]").click())),
        "keeping up": await longest(60, once(() => document.dispatchEvent(new Event("live")))),
    };
}"""


def test_500_rows_scroll_select_and_keep_up_without_lag(page: Page, engine: Engine) -> None:
    for number in range(5):
        make(engine, 100, title=f"a title of usual length, {number}", tags=["one", "another"])
    page.goto("/ui/tasks?limit=500")
    expect(page.locator("#rows > tr")).to_have_count(500)

    frames = page.evaluate(USE)

    assert max(frames.values()) < LAG_MS, frames
    expect(page.locator("[data-summary]")).to_have_text("499 selected")
