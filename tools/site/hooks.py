"""What the site's generator is told beside mkdocs.yml.

Pages that stand outside of docs/, the README first, are pages of the site, and links are what they
are in the repository. What is no page and lies outside keeps its words and loses its link: nobody
knows where this site will stand, nor where the repository.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]

OUTSIDE = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh-CN/index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "LICENSE": "LICENSE",
    "examples/README.md": "examples.md",
}
"""Files outside of docs/, and where they are in the site."""

STYLE = ".md-typeset td:first-child code { word-break: normal; }"
"""So that no name is broken in a table."""

_FROM = {page: source for source, page in OUTSIDE.items()}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s:]+)\)")  # a colon is in addresses of other sites


def on_files(files: Files, *, config: Any) -> Files:
    """Add what stands outside."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    files.append(File.generated(config, "site.css", content=STYLE))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Let the links of a page lead to where things are in the site."""
    return _LINK.sub(lambda link: _led(link, page.file.src_uri), markdown)


def _led(link: re.Match[str], page: str) -> str:
    mark, words, target = link.groups()
    path, sharp, anchor = target.partition("#")
    if not path:
        return link[0]
    source = _FROM.get(page, f"docs/{page}")
    found = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    there = found.removeprefix("docs/") if found.startswith("docs/") else OUTSIDE.get(found)
    if there is None:
        return words
    relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
    return f"{mark}[{words}]({relative}{sharp}{anchor})"
