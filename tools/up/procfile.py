"""The lines of a Procfile."""

import re
from pathlib import Path

from tools.up.errors import UpError

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def read_procfile(path: Path) -> dict[str, str]:
    """Return the command of each name, in the file's order; UpError names a line that is wrong."""
    if not path.exists():
        raise UpError(f"There is no {path.name} here: run this in the checkout's own folder.")
    commands = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise UpError(f"Line {number} of {path.name} is not `name: command`.")
        commands[match[1]] = match[2]
    return commands
