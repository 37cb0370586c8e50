"""What was taken, as JSON lines: kept from one command to the next."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.bench.errors import BenchError
from tools.bench.figures import Figure, Taken, fields_of, write_line

Key = tuple[int, str, str, str]
"""Run, the row that it is taken beside, row and measure."""


class Records:
    """A file of JSON lines: conditions, figures, and what could not be taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lines: list[dict[str, Any]] = []
        if path.exists():
            self._lines = [json.loads(line) for line in path.read_text().splitlines()]

    def has(self, key: Key) -> bool:
        """Whether figures of this were taken already."""
        return any(_key(line) == key for line in self._of("figure"))

    def write(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Add a line."""
        fields = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **fields}
        with self._path.open("a") as output:
            write_line(output, kind, fields)
        self._lines.append({"line": kind, **fields})

    def write_figures(self, key: Key, figures: Sequence[Figure]) -> None:
        """Add the figures of one measure."""
        run, beside, row, measure = key
        for figure in figures:
            self.write("figure", {"beside": beside, **fields_of(Taken(row, measure, run, figure))})

    def taken(self) -> Iterator[Taken]:
        """Yield all figures."""
        for line in self._of("figure"):
            figure = Figure(line["name"], line["value"], line["unit"])
            yield Taken(line["database"], line["measure"], line["run"], figure)

    def last(self, kind: str) -> dict[str, Any]:
        """Return the last line of a kind; BenchError when there is none."""
        found = list(self._of(kind))
        if not found:
            raise BenchError(f"{self._path} has no {kind}: measure first.")
        return found[-1]

    def versions(self) -> dict[str, dict[str, str]]:
        """Return the versions that each row stands on."""
        return {line["row"]: line["versions"] for line in self._of("versions")}

    def stores(self) -> dict[str, str]:
        """Return the versions of the stores, whichever command started them."""
        return {
            name: version
            for line in self._of("stores")
            for name, version in line["versions"].items()
        }

    def failures(self) -> list[str]:
        """Return what could not be taken and why, each once."""
        taken = {(line["database"], line["measure"]) for line in self._of("figure")}
        told = (
            f"{line['row']}: {line['measure']}: {line['reason']}"
            for line in self._of("failure")
            if (line["row"], line["measure"]) not in taken
        )
        return list(dict.fromkeys(told))

    def _of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (line for line in self._lines if line["line"] == kind)


def _key(line: Mapping[str, Any]) -> Key:
    return line["run"], line["beside"], line["database"], line["measure"]
