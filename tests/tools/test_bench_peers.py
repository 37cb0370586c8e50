"""What is written about peers is what was measured of them; the peers themselves are not tested."""

import struct
from pathlib import Path

import pytest

from tools.bench.errors import BenchError
from tools.bench.figures import Figure, Spread
from tools.bench.page import main as write_page
from tools.bench.peers import journal, targets
from tools.bench.peers.catalogue import OURS_ROWS, rows
from tools.bench.peers.environments import ensure
from tools.bench.peers.measures import Sizes, Subject, drain
from tools.bench.peers.programs import Programs
from tools.bench.peers.records import Records
from tools.bench.peers.runner import turns
from tools.bench.peers.stores import Place
from tools.servers import Database

RECORD = struct.Struct("<qq")


def journal_of(path: Path, *records: tuple[int, float]) -> journal.Journal:
    path.write_bytes(b"".join(RECORD.pack(number, int(at * 1e9)) for number, at in records))
    return journal.Journal(path)


def test_a_rate_begins_when_all_workers_are_under_way(tmp_path: Path) -> None:
    early = journal_of(tmp_path / "early", (0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0))
    late = journal_of(tmp_path / "late", (4, 2.0), (5, 3.0))
    assert journal.per_second([early]) == 1
    assert journal.per_second([early, late]) == 3
    assert journal.per_second([early, journal.Journal(tmp_path / "none")]) == 0


def test_a_journal_tells_what_ran_twice(tmp_path: Path) -> None:
    first = journal_of(tmp_path / "first", (0, 0.0), (1, 1.0))
    second = journal_of(tmp_path / "second", (1, 2.0))
    assert journal.count([first, second]) == 3
    assert journal.times_by_number([first, second]) == {0: 1, 1: 2}
    assert journal.moments_by_number([first, second]) == {0: 0, 1: int(1e9)}


def test_ours_takes_turns_with_every_peer() -> None:
    peers = rows(["huey", "procrastinate"])
    taken = [turn.row.is_ours for turn in turns(peers, 1)]
    assert taken == [True, False, True, False, True, False, False]
    kept = {turn.row.name: turn.measures for turn in turns(peers, 1)}
    assert "kill" in kept["huey, redis everysec"]
    assert "kill" not in kept["huey, redis always"]


def test_a_peer_that_there_is_not_is_refused() -> None:
    with pytest.raises(BenchError, match="There is no peer celry: there are arq"):
        rows(["celry"])


def test_what_was_taken_is_known_to_the_next_command(tmp_path: Path) -> None:
    key = (1, "", "huey, mysql", "drain")
    records = Records(tmp_path / "peers.jsonl")
    records.write("failure", {"row": "huey, mysql", "measure": "drain", "reason": "it rained"})
    assert records.failures() == ["huey, mysql: drain: it rained"]

    records.write_figures(key, [Figure("drained", 480, "tasks/s")])

    again = Records(tmp_path / "peers.jsonl")
    assert again.has(key)
    assert not again.has((2, *key[1:]))
    assert again.failures() == []


def spread(value: float) -> Spread:
    return Spread(value, value, value, 1)


def test_targets_are_judged_against_the_best_of_the_peers() -> None:
    ours, slow, fast = OURS_ROWS[0], *rows(["pgqueuer"])
    medians = {
        (ours.name, targets.DRAINED): spread(6_000),
        (slow.name, targets.DRAINED): spread(5_000),
        (fast.name, targets.DRAINED): spread(12_000),
    }
    (found,) = targets.reached(ours, [slow, fast], medians)
    assert found[2:] == (f"0.5x {fast.name}", "NOT REACHED")
    (ahead,) = targets.better(ours, [slow, fast], medians)
    assert ahead == "**drained**, ours 6,000: pgqueuer batch 100 on postgres 12,000."


def test_the_page_shows_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "figures.jsonl").write_text("")
    records = Records(tmp_path / "peers.jsonl")
    machine = {"cores": 2, "processor": "x", "memory_bytes": 2**34, "system": "Linux"}
    records.write("conditions", {**machine, "python": "3.11", "file_system": "ext4", "sizes": {}})
    records.write("stores", {"versions": {"mysql": "9.7"}})
    (peer,) = rows(["procrastinate"])
    for row, rate in ((OURS_ROWS[0], 9_000.0), (peer, 500.0)):
        figures = [Figure(targets.DRAINED, rate + run, "tasks/s") for run in range(3)]
        for run, figure in enumerate(figures):
            records.write_figures((run, "", row.name, "drain"), [figure])

    assert write_page(["--figures", str(tmp_path), "--docs", str(tmp_path / "docs")]) == 0

    page = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "| procrastinate, postgres | 501 (500 to 502) |" in page
    assert "18x procrastinate, postgres | reached |" in page
    assert (tmp_path / "docs" / "benchmarks" / "peers.jsonl").exists()
    assert "procrastinate" in (tmp_path / "docs" / "benchmarks" / "benchmarks.svg").read_text()


def test_ours_is_measured_by_what_measures_peers(
    server: Database, database_url: str, tmp_path: Path
) -> None:
    row = next(each for each in OURS_ROWS if each.store == server.kind)
    programs = Programs(row, ensure(row, tmp_path), database_url, tmp_path)
    sizes = Sizes(tasks=60, one_by_one=3)

    figures = drain(Subject(row, Place(database_url, server), programs, sizes))

    assert [figure.name for figure in figures] == [
        "enqueued one by one",
        "enqueued in bulk",
        targets.DRAINED,
        "worker CPU per task",
        "store CPU per task",
    ]
    assert all(figure.value > 0 for figure in figures[:3])
