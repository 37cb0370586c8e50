"""README.md and README.zh-CN.md say the same, and lead to all pages."""

import re
from pathlib import Path

from tests.conftest import ROOT

CHINESE = "docs/zh-CN/"
TWICE = {path.name for path in (ROOT / CHINESE).iterdir()}
"""Pages that there are in both languages."""


def led_to(name: str) -> set[str]:
    """Return the pages that a README links to, each by its name in English."""
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = {found.partition("#")[0] for found in re.findall(r"\]\(([^)]+)\)", text)}
    return {
        target.replace(CHINESE, "docs/")
        for target in targets
        if target.endswith(".md") and not target.startswith("README")
    }


def test_both_lead_to_the_same_pages() -> None:
    assert led_to("README.zh-CN.md") == led_to("README.md")


def test_every_page_can_be_reached() -> None:
    pages = {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md")}

    assert pages <= led_to("README.md")


def test_the_chinese_one_leads_to_the_chinese_pages() -> None:
    text = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")

    assert {Path(each).name for each in re.findall(rf"{CHINESE}[\w-]+\.md", text)} == TWICE
