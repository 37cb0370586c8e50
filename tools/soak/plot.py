"""A plot of a soak's samples: SVG, one strip for each figure."""

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, MARGIN = 900, 110, 40
COLORS = ("#0b6", "#06c", "#c60", "#a0a", "#555", "#c33", "#393", "#339")

Sample = dict[str, Any]
Line = tuple[str, Sequence[tuple[float, float]]]


def plot(samples: Path, output: Path) -> None:
    """Draw the samples of a file of JSON lines."""
    found: list[Sample] = [json.loads(line) for line in samples.read_text().splitlines()]
    names = sorted({name for each in found for name, cost in each.items() if type(cost) is dict})
    strips: list[tuple[str, list[Line]]] = [
        ("attempts ended per second", [_line("all", found, lambda s: s.get("per_second"))]),
        ("history length", [_line("all", found, lambda s: s.get("history"))]),
        ("sessions of the server", [_line("all", found, lambda s: s.get("sessions"))]),
        *(
            (figure.replace("_", " "), [_of(name, figure, found) for name in names])
            for figure in ("memory_mb", "descriptors", "threads")
        ),
    ]
    end = max((each["seconds"] for each in found), default=1)
    drawn = [_strip(at, title, lines, end) for at, (title, lines) in enumerate(strips)]
    height = len(strips) * (HEIGHT + MARGIN) + MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 200}" height="{height}"'
    output.write_text(f'{head} font-family="sans-serif" font-size="11">{"".join(drawn)}</svg>\n')


def _of(name: str, figure: str, found: Sequence[Sample]) -> Line:
    return _line(name, found, lambda sample: sample.get(name, {}).get(figure))


def _line(name: str, found: Sequence[Sample], read: Callable[[Sample], float | None]) -> Line:
    points = ((each["seconds"], read(each)) for each in found)
    return name, [(at, value) for at, value in points if value is not None]


def _strip(number: int, title: str, lines: Sequence[Line], end: float) -> str:
    top = number * (HEIGHT + MARGIN) + MARGIN
    most = max((value for _, points in lines for _, value in points), default=1) or 1
    parts = [
        f'<text x="{MARGIN}" y="{top - 6}">{escape(title)}, up to {most:g}</text>',
        f'<rect x="{MARGIN}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="#f6f6f6"/>',
    ]
    for at, (name, points) in enumerate(lines):
        color = COLORS[at % len(COLORS)]
        path = " ".join(
            f"{MARGIN + x / end * WIDTH:.1f},{top + HEIGHT * (1 - y / most):.1f}" for x, y in points
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}"/>')
        label = f'x="{WIDTH + MARGIN + 8}" y="{top + 12 + at * 13}" fill="{color}"'
        parts.append(f"<text {label}>{escape(name)}</text>")
    return "".join(parts)
