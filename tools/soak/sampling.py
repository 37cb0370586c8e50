"""What a soak costs while it goes on: memory, descriptors, threads, history length, throughput."""

import json
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy.exc import DBAPIError

from tools.bench.processes import resident_bytes
from tools.soak.stand import Stand

WINDOW_SECONDS = 5
SETTLE_SECONDS = 30
"""How long after a fault the throughput may take to come back."""

_DATABASE = f"""SELECT
    (SELECT COUNT(*) FROM task_attempts
        WHERE ended_at > UTC_TIMESTAMP(6) - INTERVAL {WINDOW_SECONDS} SECOND) AS ended,
    (SELECT COUNT(*) FROM information_schema.processlist) AS sessions,
    (SELECT `count` FROM information_schema.innodb_metrics
        WHERE name = 'trx_rseg_history_len') AS history"""

_SECONDS = """SELECT FLOOR(UNIX_TIMESTAMP(CONVERT_TZ(ended_at, '+00:00', @@time_zone))) AS second,
    COUNT(*) FROM task_attempts GROUP BY second"""


class Sampler:
    """Takes samples, a JSON line each."""

    def __init__(self, stand: Stand, output: TextIO) -> None:
        self._stand = stand
        self._output = output
        self._began = time.monotonic()

    def take(self) -> None:
        """Take a sample; what is not there now is left out."""
        sample: dict[str, Any] = {"seconds": round(time.monotonic() - self._began, 1)}
        with suppress(DBAPIError), self._stand.engine.connect() as connection:
            row = connection.exec_driver_sql(_DATABASE).one()
            sample |= {
                "per_second": row.ended / WINDOW_SECONDS,
                "sessions": row.sessions,
                "history": row.history,
            }
        for process in self._stand.keeper.processes:
            pid = process.pid
            if pid is not None:
                with suppress(OSError):
                    sample[process.name] = _cost(pid)
        self._output.write(json.dumps(sample) + "\n")
        self._output.flush()


def _cost(pid: int) -> dict[str, int]:
    return {
        "pid": pid,
        "memory_mb": resident_bytes(pid) // 1_000_000,
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
    }


def recoveries(stand: Stand, faults: list[tuple[float, float]]) -> list[float]:
    """Return for each fault of the server the throughput after it, as a share of that before.

    After: the best ten seconds of the thirty that follow. Before: the thirty that lead to it.
    """
    with stand.engine.connect() as connection:
        found = connection.exec_driver_sql(_SECONDS).all()
    ended = Counter({int(second): count for second, count in found})
    return [_recovery(ended, *fault) for fault in faults]


def _recovery(ended: Counter[int], began: float, healed: float) -> float:
    before = [ended[int(began) - each] for each in range(1, SETTLE_SECONDS + 1)]
    after = [ended[int(healed) + each] for each in range(1, SETTLE_SECONDS + 1)]
    best = max(sum(after[at : at + 10]) for at in range(SETTLE_SECONDS - 9)) / 10
    return round(best / max(sum(before) / len(before), 0.1), 2)


def errors(folder: Path) -> Counter[str]:
    """Return what the processes logged as errors, and tracebacks outside of the log."""
    found: Counter[str] = Counter()
    for path in folder.glob("*.log"):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                with suppress(json.JSONDecodeError):
                    told = json.loads(line)
                    if told.get("level") in {"error", "critical"}:
                        found[f"{path.stem.split('-')[0]}: {told['event']}"] += 1
            elif line.startswith("Traceback"):
                found[f"{path.stem.split('-')[0]}: Traceback"] += 1
    return found
