"""Draw docs/life-of-a-task.svg from the table of moves: python -m tools.chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from schema.states import MOVES, Actor, Status, Verb

FILE = Path(__file__).parent.parent / "docs" / "life-of-a-task.svg"

Point = tuple[int, int]
Triple = tuple[Verb, Status, Status]

WIDTH, HEIGHT = 960, 420
BOX = (140, 40)
HIGH_BOX = (140, 140)

PLACES: dict[Status, Point] = {
    Status.TO_DO: (140, 110),
    Status.RETRYING: (140, 180),
    Status.IN_PROGRESS: (470, 100),
    Status.PAUSED: (140, 320),
    Status.CANCELLED: (780, 30),
    Status.DONE: (780, 110),
    Status.FAILED: (780, 190),
}
"""Upper left corners."""

FRAME = (120, 80, 180, 160)
"""Around the two statuses that wait: left, top, width, height."""

WAITING = (Status.TO_DO, Status.RETRYING)


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from some statuses to others, and where its words stand."""

    sources: Sequence[Status]
    targets: Sequence[Status]
    line: Sequence[Point]
    words_at: Point
    anchor: str = "middle"

    def told_by(self, verb: Verb) -> set[Triple]:
        """Return what the arrow would tell of a verb; nothing if it leads elsewhere."""
        move = MOVES[verb]
        if not (move.sources.issuperset(self.sources) and move.targets.issuperset(self.targets)):
            return set()
        return {(verb, source, target) for source in self.sources for target in self.targets}


RUNS, PAUSED = (Status.IN_PROGRESS,), (Status.PAUSED,)
CANCELLED, DONE, FAILED = (Status.CANCELLED,), (Status.DONE,), (Status.FAILED,)

ARROWS = (
    Arrow(WAITING, RUNS, [(300, 120), (468, 120)], (384, 112)),
    Arrow(RUNS, WAITING, [(470, 160), (302, 160)], (386, 152)),
    Arrow(RUNS, (Status.RETRYING,), [(470, 205), (282, 205)], (386, 222)),
    Arrow(RUNS, DONE, [(610, 130), (778, 130)], (694, 122)),
    Arrow(RUNS, FAILED, [(610, 210), (778, 210)], (694, 202)),
    Arrow(RUNS, CANCELLED, [(540, 100), (540, 60), (778, 60)], (660, 78)),
    Arrow(WAITING, CANCELLED, [(210, 80), (210, 40), (778, 40)], (384, 32)),
    Arrow(RUNS, PAUSED, [(540, 240), (540, 330), (282, 330)], (410, 322)),
    Arrow(WAITING, PAUSED, [(170, 240), (170, 318)], (162, 284), "end"),
    Arrow(PAUSED, WAITING, [(240, 320), (240, 242)], (248, 284), "start"),
    Arrow(
        PAUSED, (Status.TO_DO,), [(140, 340), (60, 340), (60, 140), (138, 140)], (68, 262), "start"
    ),
    Arrow(FAILED, (Status.TO_DO,), [(850, 230), (850, 390), (60, 390), (60, 340)], (480, 382)),
    Arrow(
        CANCELLED,
        (Status.TO_DO,),
        [(920, 50), (940, 50), (940, 390), (850, 390)],
        (932, 260),
        "end",
    ),
)
"""Those to several statuses first: what they tell, the others need not."""

LATE = frozenset(
    (verb, Status.IN_PROGRESS, Status.CANCELLED)
    for verb in MOVES
    if MOVES[verb].by is not Actor.OPERATOR
)
"""Every end while it is being stopped: one move to whoever looks at the chart."""


def told() -> Iterator[tuple[Arrow, list[Verb]]]:
    """Return each arrow with its verbs."""
    known: set[Triple] = set(LATE)
    for arrow in ARROWS:
        verbs = [verb for verb in MOVES if arrow.told_by(verb) - known]
        known |= {triple for verb in verbs for triple in arrow.told_by(verb)}
        yield arrow, verbs


def untold() -> set[Triple]:
    """Return the moves that no arrow tells."""
    there = {
        (verb, source, target)
        for verb, move in MOVES.items()
        for source in move.sources
        for target in move.targets
    }
    shown = {triple for arrow, verbs in told() for verb in verbs for triple in arrow.told_by(verb)}
    return there - shown - LATE


def drawn() -> str:
    """Return the chart."""
    parts = [_START, _rectangle(*FRAME, "frame"), _text(210, 98, "waiting", "middle", "quiet")]
    parts += [_box(status) for status in PLACES]
    parts += [_arrow(arrow, verbs) for arrow, verbs in told()]
    parts += _creation((30, 122), [(30, 122), (138, 122)], (52, 114), "create")
    parts += _creation((330, 350), [(330, 350), (282, 350)], (342, 355), "create with hold")
    return "\n".join([*parts, "</svg>", ""])


_START = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"
  aria-label="The states of a task, and the moves between them">
<style>
  text {{ font: 14px system-ui, sans-serif; fill: #1c2733; }}
  .status {{ font-weight: 600; }}
  .quiet {{ fill: #5b6875; }}
  .word {{ font-size: 13px; stroke: #fff; stroke-width: 4; paint-order: stroke; }}
  rect {{ fill: #fff; stroke: #5b6875; }}
  .paper {{ stroke: none; }}
  .frame {{ fill: #f3f6f9; stroke-dasharray: 4 3; }}
  .to_do, .retrying {{ fill: #fff; }}
  .in_progress {{ fill: #dcebfd; }}
  .done {{ fill: #dcf3e2; }}
  .failed {{ fill: #fbe1de; }}
  .cancelled, .paused {{ fill: #eceff2; }}
  path {{ fill: none; stroke: #1c2733; stroke-width: 1.4; marker-end: url(#head); }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"
  orient="auto"><polygon points="0,0 8,4 0,8" fill="#1c2733"/></marker></defs>
<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="8"/>"""


def _rectangle(left: int, top: int, width: int, height: int, kind: str) -> str:
    at = f'x="{left}" y="{top}" width="{width}" height="{height}"'
    return f'<rect class="{kind}" {at} rx="8"/>'


def _text(x: int, y: int, words: str, anchor: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def _box(status: Status) -> str:
    (left, top), (width, height) = PLACES[status], _size(status)
    name = _text(left + width // 2, top + height // 2 + 5, status, "middle", "status")
    return _rectangle(left, top, width, height, status) + name


def _size(status: Status) -> tuple[int, int]:
    return HIGH_BOX if status is Status.IN_PROGRESS else BOX


def _arrow(arrow: Arrow, verbs: Sequence[Verb]) -> str:
    words = ", ".join(verbs).replace("_", " ")
    return _path(arrow.line) + _text(*arrow.words_at, words, arrow.anchor, "word")


def _path(line: Sequence[Point]) -> str:
    return f'<path d="M{" L".join(f"{x},{y}" for x, y in line)}"/>'


def _creation(at: Point, line: Sequence[Point], words_at: Point, words: str) -> list[str]:
    return [
        f'<circle cx="{at[0]}" cy="{at[1]}" r="5" fill="#1c2733"/>',
        _path(line) + _text(*words_at, words, "start", "word"),
    ]


if __name__ == "__main__":
    FILE.write_text(drawn(), encoding="utf-8")
