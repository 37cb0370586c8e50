"""The chart of docs/life-of-a-task.md is that of the table of moves."""

from schema.states import Status
from tools import chart


def test_the_committed_chart_is_what_is_drawn_now() -> None:
    assert chart.FILE.read_text(encoding="utf-8") == chart.drawn(), "run python -m tools.chart"


def test_every_move_is_told_once() -> None:
    told = [
        triple
        for arrow, verbs in chart.told()
        for verb in verbs
        for triple in arrow.told_by(verb) - chart.LATE
    ]

    assert not chart.untold()
    assert all(verbs for _, verbs in chart.told())
    assert set(chart.PLACES) == set(Status)
    assert told
