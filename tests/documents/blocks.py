"""The fenced blocks of all pages."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]

_FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"]*)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: `page` as it is named from the checkout's folder."""

    page: str
    line: int
    language: str
    title: str
    text: str


class Command(NamedTuple):
    """A command of a console, and what the page shows that it answers."""

    words: str
    shown: str


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found[2],
            found[3] or "",
            textwrap.dedent(found[4]),
        )
        for found in _FENCE.finditer(text)
    ]


def commands_of(block: Block) -> Iterator[Command]:
    """Return the commands of a block of a console, each with what follows it."""
    lines = block.text.splitlines()
    while lines:
        words = lines.pop(0)
        assert words.startswith("$ "), f"{block.page}: {words}"
        while lines and not _is_whole(words):
            words += "\n" + lines.pop(0)
        shown = []
        while lines and not lines[0].startswith("$ "):
            shown.append(lines.pop(0))
        yield Command(words.removeprefix("$ "), "\n".join(shown))


def _is_whole(words: str) -> bool:
    try:
        shlex.split(words)
    except ValueError:  # a quotation goes on in the next line
        return False
    return not words.endswith("\\")


ALL = [block for page in PAGES for block in blocks_of(page.relative_to(ROOT).as_posix())]
"""Every block that there is."""
