"""Figures, and what becomes of them: medians with their spread, JSON lines, a table."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self, TextIO

_HEAD = ("database", "measure", "figure", "median", "lowest", "highest", "unit", "target", "")
_NUMBERS = range(3, 6)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one run, and what it must reach, if anything."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    def reaches(self, value: float) -> bool | None:
        """Whether a value reaches what this figure must; None when nothing was asked."""
        if self.at_least is not None:
            return value >= self.at_least
        return None if self.at_most is None else value <= self.at_most

    @property
    def target(self) -> str:
        """What it must reach, in words."""
        if self.at_least is not None:
            return f">= {number(self.at_least)}"
        return "" if self.at_most is None else f"<= {number(self.at_most)}"


@dataclass(frozen=True, slots=True)
class Taken:
    """A figure, and where it was taken: on which database, by which measure, in which run."""

    database: str
    measure: str
    run: int
    figure: Figure


@dataclass(frozen=True, slots=True)
class Spread:
    """What several runs gave."""

    median: float
    lowest: float
    highest: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of one value or more."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        if self.runs == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(self.lowest)} to {number(self.highest)})"


def write_line(output: TextIO, kind: str, fields: Mapping[str, Any]) -> None:
    """Append a JSON line."""
    output.write(json.dumps({"line": kind, **fields}) + "\n")
    output.flush()


def fields_of(taken: Taken) -> dict[str, Any]:
    """Return what a figure's JSON line says."""
    place = {"database": taken.database, "measure": taken.measure, "run": taken.run}
    return place | asdict(taken.figure)


def table(all_taken: Iterable[Taken]) -> str:
    """Return a table: of each figure the median, the lowest and the highest run, the target."""
    groups: dict[tuple[str, str, str], list[Figure]] = {}
    for taken in all_taken:
        key = (taken.database, taken.measure, taken.figure.name)
        groups.setdefault(key, []).append(taken.figure)
    return _aligned([_HEAD, *(_summary(key, figures) for key, figures in groups.items())])


def verdict(reached: bool | None) -> str:  # noqa: FBT001
    """Return how tables say whether a target is reached; None where there is none."""
    return {True: "reached", False: "NOT REACHED", None: ""}[reached]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least `share` of them do not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def number(value: float) -> str:
    """Return a number with as many digits as it deserves: 12,345 or 3.46 or 0.0078."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def _summary(key: Sequence[str], figures: Sequence[Figure]) -> tuple[str, ...]:
    spread = Spread.of([figure.value for figure in figures])
    numbers = map(number, (spread.median, spread.lowest, spread.highest))
    reached = verdict(figures[0].reaches(spread.median))
    return (*key, *numbers, figures[0].unit, figures[0].target, reached)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        text.rjust(width) if position in _NUMBERS else text.ljust(width)
        for position, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
