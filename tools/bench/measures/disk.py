"""Disk: what a task that has run takes, table by table and index by index."""

from dataclasses import dataclass

from tools.bench.draining import Load, drain
from tools.bench.figures import Figure
from tools.bench.handlers import NOOP
from tools.bench.stand import Stand

TABLES = ("tasks", "task_payloads", "task_attempts")

_SIZES = """SELECT table_name, index_name, stat_value * @@innodb_page_size
FROM mysql.innodb_index_stats
WHERE database_name = DATABASE() AND stat_name = 'size' AND table_name = %s
ORDER BY stat_value DESC"""


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of pages per task, with a payload of 120 bytes and one attempt."""

    tasks: int = 60_000
    slots: int = 500

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""
        drain(stand, Load(NOOP, self.tasks, self.slots))
        sizes = {}
        with stand.engine.connect() as connection:
            for table in TABLES:
                connection.exec_driver_sql(f"ANALYZE TABLE {table}").all()
                for _, index, size in connection.exec_driver_sql(_SIZES, (table,)):
                    sizes[f"{table}.{index}"] = float(size) / self.tasks
        return [
            Figure("all", sum(sizes.values()), "bytes"),
            *(Figure(name, size, "bytes") for name, size in sizes.items()),
        ]
