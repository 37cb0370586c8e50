"""docs/settings.md, in both languages, has every setting and no other."""

import re

import pytest

from schema.runtime.settings import Settings
from tests.conftest import ROOT

PAGES = ("docs/settings.md", "docs/zh-CN/settings.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_is_told_and_no_other(page: str) -> None:
    rows = [
        line
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    told = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row.split(" | ")[0])]

    assert sorted(told) == sorted(name.upper() for name in Settings.model_fields)
