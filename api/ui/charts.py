"""Figures as shapes: where bars of a chart stand, for SVG that the server writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schema.throughput import Slice

WIDTH = 10
"""Of a slice; the chart is as wide as all of them."""

HEIGHT = 100
LEAST = 1.5
"""What is not nothing can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A slice of time as two bars, what failed upon what succeeded; y grows downwards."""

    slice: Slice
    x: int
    succeeded: float
    failed: float

    @property
    def y(self) -> float:
        """Where what succeeded begins."""
        return HEIGHT - self.succeeded


def bars(slices: Sequence[Slice]) -> Iterator[Bar]:
    """Yield the bars of a chart, the highest as high as the chart."""
    most = highest(slices)
    for number, each in enumerate(slices):
        failed = _height(each.failed, most)
        succeeded = min(_height(each.succeeded, most), HEIGHT - failed)
        yield Bar(each, number * WIDTH, round(succeeded, 1), round(failed, 1))


def highest(slices: Sequence[Slice]) -> int:
    """Return how many ended in the slice that has the most; 1 where there are none."""
    return max((each.succeeded + each.failed for each in slices), default=0) or 1


def _height(count: int, most: int) -> float:
    return max(count / most * HEIGHT, LEAST) if count else 0
