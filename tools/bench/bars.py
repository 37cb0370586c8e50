"""A plot of figures: SVG, a panel of bars for each kind, with the spread of the runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tools.bench.figures import Spread, number

LABELS, WIDTH, VALUES = 250, 520, 130
BAR, GAP, HEAD = 12, 6, 34
OURS, OTHERS = "#0a7d4f", "#7a8899"


@dataclass(frozen=True, slots=True)
class Bar:
    """A label, and the figure that the bar is as long as."""

    label: str
    spread: Spread
    is_ours: bool


def plot(panels: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Return an SVG document of panels, each with its title."""
    drawn, top = [], 0
    for title, bars in panels:
        drawn.append(_panel(title, bars, top))
        top += HEAD + len(bars) * (BAR + GAP) + GAP
    size = f'width="{LABELS + WIDTH + VALUES}" height="{top}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    )
    return f'{head}<rect width="100%" height="100%" fill="#fff"/>{"".join(drawn)}</svg>\n'


def _panel(title: str, bars: Sequence[Bar], top: int) -> str:
    most = max((bar.spread.highest for bar in bars), default=1) or 1
    parts = [f'<text x="8" y="{top + 20}" font-weight="bold">{escape(title)}</text>']
    for at, bar in enumerate(bars):
        parts.append(_bar(bar, top + HEAD + at * (BAR + GAP), WIDTH / most))
    return "".join(parts)


def _bar(bar: Bar, y: int, scale: float) -> str:
    spread = bar.spread
    color = OURS if bar.is_ours else OTHERS
    middle, text_y = y + BAR / 2, y + BAR - 2
    low, high = (LABELS + value * scale for value in (spread.lowest, spread.highest))
    return (
        f'<text x="{LABELS - 6}" y="{text_y}" text-anchor="end">{escape(bar.label)}</text>'
        f'<rect x="{LABELS}" y="{y}" width="{spread.median * scale:.1f}" height="{BAR}"'
        f' fill="{color}"/>'
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#222"/>'
        f'<text x="{high + 5:.1f}" y="{text_y}">{number(spread.median)}</text>'
    )
