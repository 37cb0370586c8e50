"""What ours must reach against the peers, in the same run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.bench.figures import Spread, number, verdict
from tools.bench.peers.catalogue import Row

DRAINED = "drained"
DRAINED_BY_TWO = "drained by 2"
PICKUP = "pickup p99"
LOST = "missing in the end"
RUN_BY_BOTH = "run by both of two workers"
NONE_OF: Mapping[str, str] = {
    LOST: "tasks lost by a kill -9",
    RUN_BY_BOTH: "tasks of one drain that both of two workers ran",
}
"""Figures that must be 0, and what they are."""

Medians = Mapping[tuple[str, str], Spread]
"""The spread of each figure, by the row's name and the figure's."""


@dataclass(frozen=True, slots=True)
class Target:
    """Ours as a multiple of the best of some peers; `lower` where less is better."""

    text: str
    figure: str
    factor: float
    against: Callable[[Row], bool]
    lower: bool = False


def _is_python_on_redis(row: Row) -> bool:
    return row.store == "redis everysec" and not row.is_node


TARGETS: Sequence[Target] = (
    Target(
        "drain by one, against Python peers on Redis and procrastinate",
        DRAINED,
        2.5,
        lambda row: _is_python_on_redis(row) or row.peer == "procrastinate",
    ),
    Target("drain by one, against oban", DRAINED, 2, lambda row: row.peer == "oban"),
    Target("drain by two, against oban", DRAINED_BY_TWO, 1.2, lambda row: row.peer == "oban"),
    Target("drain by one, against pgqueuer", DRAINED, 0.6, lambda row: row.peer == "pgqueuer"),
    Target(
        "drain by two, against pgqueuer", DRAINED_BY_TWO, 0.6, lambda row: row.peer == "pgqueuer"
    ),
    Target("drain by one, against peers in MySQL", DRAINED, 10, lambda row: row.store == "mysql"),
    Target("pickup p99, against peers that poll", PICKUP, 1, lambda row: row.polls, lower=True),
)


def reached(ours: Row, peers: Sequence[Row], medians: Medians) -> Iterator[Sequence[str]]:
    """Yield a row of cells for each target that can be judged: what, asked, measured, verdict."""
    for target in TARGETS:
        mine = medians.get((ours.name, target.figure))
        found = {
            row.name: medians[row.name, target.figure].median
            for row in peers
            if not row.is_ours and target.against(row) and (row.name, target.figure) in medians
        }
        if mine is None or not found:
            continue
        best = (min if target.lower else max)(found, key=lambda name: found[name])
        ratio = mine.median / found[best]
        is_reached = ratio <= target.factor if target.lower else ratio >= target.factor
        sign = "at most" if target.lower else "at least"
        asked = f"{sign} {number(target.factor)}x"
        yield target.text, asked, f"{number(ratio)}x {best}", verdict(is_reached)
    for figure, text in NONE_OF.items():
        counted = medians.get((ours.name, figure))
        if counted:
            worst = counted.highest
            yield text, "0", number(worst), verdict(worst == 0)


def better(ours: Row, peers: Sequence[Row], medians: Medians) -> Iterator[str]:
    """Yield a sentence for each figure in which peers are ahead of ours: who, best first."""
    for figure, is_lower in COMPARED.items():
        mine = medians.get((ours.name, figure))
        theirs = {
            row.name: medians[row.name, figure] for row in peers if (row.name, figure) in medians
        }
        if mine is None:
            continue
        sign = 1 if is_lower else -1
        ahead = sorted(
            (sign * spread.median, f"{name} {number(spread.median)}")
            for name, spread in theirs.items()
            if sign * spread.median < sign * mine.median
            and number(spread.median) != number(mine.median)
        )
        if ahead:
            told = ", ".join(text.replace(", ", " on ") for _, text in ahead)
            yield f"**{figure}**, ours {number(mine.median)}: {told}."


COMPARED: Mapping[str, bool] = {
    "enqueued one by one": False,
    "enqueued in bulk": False,
    DRAINED: False,
    DRAINED_BY_TWO: False,
    PICKUP: True,
    "idle worker": True,
    "store with an idle worker": True,
    "memory of an idle worker": True,
}
"""The figures that are compared, and whether less of them is better."""
