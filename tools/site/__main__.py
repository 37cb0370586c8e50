"""Build the site into build/site: `make docs`. It fails on what is wrong, and asks no network."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.site.hooks import ROOT

SITE = ROOT / "build" / "site"
CONFIGURATION = Path(__file__).parent / "mkdocs.yml"

_LOADED = re.compile(
    r'<(?:script|img|iframe|link)\b[^>]* (?:src|href)="(?:https?:)?//[^"]*"'
    r'|class="mermaid"|@import|url\(["\']?(?:https?:)?//'
)
"""What lets a browser ask another site."""


def main() -> int:
    """Build, look at what was built, and return the exit code."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    built = subprocess.run(
        [*command, "--config-file", str(CONFIGURATION)],
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},  # decision 8 knows of its end
        check=False,
    )
    if built.returncode:
        return built.returncode
    asking = list(_asking())
    for page, what in asking:
        print(f"{page} lets a browser ask another site: {what}", file=sys.stderr)
    print(f"{len(list(SITE.rglob('*.html')))} pages: {SITE / 'index.html'}")
    return 1 if asking else 0


def _asking() -> Iterator[tuple[Path, str]]:
    for page in [*SITE.rglob("*.html"), *SITE.rglob("*.css")]:
        for found in _LOADED.finditer(page.read_text("utf-8")):
            yield page.relative_to(SITE), found[0]


if __name__ == "__main__":
    sys.exit(main())
