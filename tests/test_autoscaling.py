"""The recipes of docs/autoscaling.md give the numbers that they promise."""

import re
import subprocess
from pathlib import Path

from sqlalchemy import Engine

from schema import counts
from schema.runtime.transactions import transaction
from tests.conftest import ROOT
from tests.documents.blocks import blocks_of
from tests.rows import change, claim, limit, make, rows

PAGE = "docs/autoscaling.md"
BLOCKS = blocks_of(PAGE)


def answers(engine: Engine) -> list[int]:
    """Return what each query of the page says: three, and KEDA's."""
    queries = [block.text for block in BLOCKS if block.language == "sql"]
    queries += re.findall(r'query: "(.+)"', "".join(block.text for block in BLOCKS))
    return [int(next(iter(rows(engine, query)[0].values()))) for query in queries]


def test_the_queries_count_the_workers_that_are_needed(engine: Engine) -> None:
    (late, *_) = make(engine, 25, queue="default")
    make(engine, 300, queue="paused")
    claim(engine, 5, queues=["default"])
    limit(engine, "paused", is_paused=1, paused_at="UTC_TIMESTAMP(6)")
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)
    assert answers(engine) == [3, 3, 0, 25]

    change(engine, late + 20, "available_at = UTC_TIMESTAMP(6) - INTERVAL 2 MINUTE")
    assert answers(engine)[2] == 1
    make(engine, 400, queue="default")
    with transaction(engine) as connection:
        counts.count(connection, exactly=True)
    assert answers(engine)[:2] == [20, 20]


def test_the_probe_tells_whether_the_heart_beats(tmp_path: Path) -> None:
    [probe] = re.findall(r"command: \[sh, -c, '(.+)'\]", (ROOT / PAGE).read_text())
    file = tmp_path / "worker.alive"
    command = ["sh", "-c", probe.replace("/tmp/worker.alive", str(file))]
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 1
    file.touch()
    assert subprocess.run(command, check=False).returncode == 0
    subprocess.run(["touch", "-d", "2 minutes ago", file], check=True)
    assert subprocess.run(command, check=False).returncode == 1
