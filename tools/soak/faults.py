"""What goes wrong in a soak, and how it is mended."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import DBAPIError

from tools.faults.journal import Journal
from tools.soak.processes import Process
from tools.soak.stand import Stand

Heal = Callable[[], None]


class Faults:
    """Injects faults that a seed chooses, and mends in time what does not mend itself.

    All of it happens in the thread that calls `tick`: servers end with the thread that starts
    them. The same seed gives the same faults in the same order.
    """

    def __init__(self, stand: Stand, seed: int, names: list[str] | None = None) -> None:
        self._stand = stand
        self._random = random.Random(seed)
        self._journal = Journal(stand.folder / "faults.jsonl")
        self._heals: list[tuple[float, Heal]] = []
        self._names = names or list(QUICK)
        self.count = 0
        self.server_faults: list[tuple[float, float]] = []

    def tick(self) -> None:
        """Mend what is due."""
        now = time.monotonic()
        for due, heal in [each for each in self._heals if each[0] <= now]:
            heal()
            self._heals.remove((due, heal))

    def inject(self) -> None:
        """Let a quick fault happen."""
        name = self._random.choice(self._names)
        self._journal.add(fault=name, told=QUICK[name](self))
        self.count += 1

    def inject_in_server(self) -> None:
        """Let the database fail for some seconds, and mend it."""
        self.heal()
        name = self._random.choice(list(SERVER))
        began = time.time()
        self._journal.add(fault=name, told=SERVER[name](self))
        self.server_faults.append((began, time.time()))
        self.count += 1

    def heal(self) -> None:
        """Mend everything now."""
        for _, heal in self._heals:
            heal()
        self._heals.clear()

    def close(self) -> None:
        """Mend everything, and close the journal."""
        self.heal()
        self._journal.close()

    def _later(self, most_seconds: float, heal: Heal) -> float:
        seconds = self._random.uniform(0.5, most_seconds)
        self._heals.append((time.monotonic() + seconds, heal))
        return seconds

    def _one_of(self, module: str) -> Process:
        return self._random.choice(self._stand.keeper.of(module))

    def kill(self, module: str) -> str:
        """Kill a process, as the kernel does."""
        process = self._one_of(module)
        pid = process.pid
        process.send(signal.SIGKILL)
        return f"{process.name} {pid}"

    def end(self, module: str) -> str:
        """End a process, as a platform does."""
        process = self._one_of(module)
        process.send(signal.SIGTERM)
        return process.name

    def freeze(self, module: str, most_seconds: float) -> str:
        """Freeze a process, sometimes with its children, and let it go on later."""
        process, whole = self._one_of(module), self._random.random() < 0.5
        pid = process.pid
        process.send(signal.SIGSTOP, whole_group=whole)
        seconds = self._later(most_seconds, lambda: _go_on(pid))
        return f"{process.name} for {seconds:.1f} s"

    def cut(self) -> str:
        """Break the connections of all processes of a kind."""
        self._random.choice(self._stand.ways).cut()
        return ""

    def block(self, most_seconds: float = 5) -> str:
        """Hold back every byte of the processes of a kind."""
        way = self._random.choice(self._stand.ways)
        way.freeze()
        return f"for {self._later(most_seconds, way.thaw):.1f} s"

    def slow_down(self, most_seconds: float = 5) -> str:
        """Delay every message of the processes of a kind."""
        way, delay = self._random.choice(self._stand.ways), self._random.choice((0.05, 0.2, 1))
        way.delay_seconds = delay
        seconds = self._later(most_seconds, lambda: setattr(way, "delay_seconds", 0.0))
        return f"by {delay} s for {seconds:.1f} s"

    def close_way(self, most_seconds: float = 4) -> str:
        """Let the server be gone for the processes of a kind."""
        way = self._random.choice(self._stand.ways)
        way.leave()
        return f"for {self._later(most_seconds, way.come_back):.1f} s"

    def eat_answer(self) -> str:
        """Let the answer to some COMMIT find nobody."""
        self._random.choice(self._stand.ways).break_at = b"COMMIT"
        return ""

    def open_hole(self) -> str:
        """Let what is said on some connection be lost, while it stays open."""
        self._random.choice(self._stand.ways).hole_at = b"SELECT"
        return ""

    def kill_sessions(self) -> str:
        """Have the server end all sessions but this one."""
        with suppress(DBAPIError), self._stand.engine.connect() as connection:
            ids = connection.exec_driver_sql(
                "SELECT id FROM information_schema.processlist"
                " WHERE db = 'rowlease' AND id <> CONNECTION_ID()"
            ).scalars()
            for session in list(ids):
                with suppress(DBAPIError):
                    connection.exec_driver_sql(f"KILL {session}")
        return ""

    def kill_cache(self) -> str:
        """Kill Redis; it comes back empty."""
        self._stand.cache.kill()
        return f"for {self._later(3, self._stand.cache.start):.1f} s"

    def freeze_cache(self) -> str:
        """Let Redis hang."""
        if not self._stand.cache.running:
            return "it was not there"
        pid = self._stand.cache.pid
        os.kill(pid, signal.SIGSTOP)
        return f"for {self._later(3, lambda: _go_on(pid)):.1f} s"

    def kill_server(self) -> str:
        """Kill the database, and start it again a little later."""
        self._stand.server.kill()
        seconds = self._random.uniform(0, 4)
        time.sleep(seconds)
        self._stand.server.start()
        return f"for {seconds:.1f} s"

    def restart_server(self) -> str:
        """Restart the database in order."""
        self._stand.server.restart()
        return ""

    def freeze_server(self) -> str:
        """Let the database hang."""
        pid, seconds = self._stand.server.pid, self._random.uniform(1, 8)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        return f"for {seconds:.1f} s"


def _go_on(pid: int | None) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
            os.killpg(pid, signal.SIGCONT)


QUICK: dict[str, Callable[[Faults], Any]] = {
    "kill a worker": lambda faults: faults.kill("worker"),
    "end a worker": lambda faults: faults.end("worker"),
    "freeze a worker": lambda faults: faults.freeze("worker", 12),
    "kill a reaper": lambda faults: faults.kill("reaper"),
    "freeze a reaper": lambda faults: faults.freeze("reaper", 8),
    "kill an api": lambda faults: faults.kill("api"),
    "end an api": lambda faults: faults.end("api"),
    "freeze an api": lambda faults: faults.freeze("api", 4),
    "cut connections": Faults.cut,
    "hold back bytes": Faults.block,
    "delay bytes": Faults.slow_down,
    "close the way": Faults.close_way,
    "eat the answer to COMMIT": Faults.eat_answer,
    "leave a connection half open": Faults.open_hole,
    "kill all sessions": Faults.kill_sessions,
    "kill Redis": Faults.kill_cache,
    "freeze Redis": Faults.freeze_cache,
}

SERVER: dict[str, Callable[[Faults], Any]] = {
    "kill the server": Faults.kill_server,
    "restart the server": Faults.restart_server,
    "freeze the server": Faults.freeze_server,
}
