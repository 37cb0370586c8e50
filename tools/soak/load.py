"""What clients and operators ask of the API, and what they were promised."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from tools.faults import handlers
from tools.faults.journal import Journal
from tools.servers.ports import LOOPBACK
from tools.soak.stand import LEASE_SECONDS, System

ANSWER_SECONDS = 15.0
AGAIN_SECONDS = 0.2
RECENT = 2_000
STALE_SECONDS = 2.5
"""A reader may be shown what was true so long ago, whatever was lost, and no more."""

VERBS = ("stop", "pause", "resume", "start", "reorder")
MIX: Sequence[tuple[float, dict[str, Any]]] = (
    (0.80, {"task_type": handlers.COROUTINE, "longest": 0.4}),
    (0.90, {"task_type": handlers.FUNCTION, "longest": 0.3}),
    (0.97, {"task_type": handlers.THREAD, "longest": 0.3}),
    (0.98, {"task_type": handlers.COROUTINE, "longest": 3.0, "timeout_seconds": 1}),
    (1.00, {"task_type": handlers.COROUTINE, "longest": 6.0}),
)
"""Shares of the tasks, summed up: short ones, some that run into their time limit, long ones."""

ENDS = ((), (), (), (), (), ("error",), ("error", "error"), ("snooze",), ("snooze", "error"))


class Client:
    """One client in a thread of its own: creates at a steady rate, orders, reads.

    Every task's title is its key: what was asked for twice must be there once.
    """

    def __init__(
        self, system: System, name: str, seed: int, rate: float, *, lag_seconds: float = 0
    ) -> None:
        """`lag_seconds`: for how long a new task need not be found, where there are replicas."""
        self._journal = Journal(system.acks)
        self._http = httpx2.Client(timeout=ANSWER_SECONDS)
        self._ports = system.api_ports
        self._random = random.Random(f"{seed} {name}")
        self._name = name
        self._rate = rate
        self._lag_seconds = lag_seconds
        self._created_at: dict[int, float] = {}
        self._number = 0
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._deleted: set[int] = set()
        self._seen: dict[int, list[tuple[float, int]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)
        self.created = 0
        self.refused = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for nothing new; what was asked for is seen through."""
        self._stop.set()
        self._thread.join()
        self._journal.close()
        self._http.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(due - time.monotonic(), 0)):
            count = self._random.choice((1, 1, 5, 20))
            due = max(due + count / self._rate, time.monotonic() - 1)
            self._create(count)
            for act in (self._read, self._order, self._delete):
                act()

    def _create(self, count: int) -> None:
        new = [self._new_task() for _ in range(count)]
        for task in new:
            self._journal.add(kind="asked", key=task["title"])
        body: Any = new[0] if count == 1 else {"tasks": new}
        path = "/tasks" if count == 1 else "/tasks/batch"
        key = {"Idempotency-Key": new[0]["title"]}
        answer = self._ask("POST", path, json=body, headers=key, until=(201,))
        if answer is None:
            return
        made = [answer.json()] if count == 1 else answer.json()
        for task in made:
            self._journal.add(kind="created", key=task["title"], id=task["id"])
            self._recent.append(task["id"])
            self._created_at[task["id"]] = time.monotonic()
        self.created += len(made)

    def _new_task(self) -> dict[str, Any]:
        self._number += 1
        share = self._random.random()
        kind = dict(next(kind for most, kind in MIX if share <= most))
        longest = kind.pop("longest")
        ends = self._random.choice(ENDS)
        return {
            "title": f"{self._name}-{self._number}",
            "queue": self._random.choice(("default", "other")),
            "priority": self._random.choice(("高", "中", "低")),
            "payload": {"seconds": round(self._random.random() * longest, 3), "ends": ends},
            "timeout_seconds": LEASE_SECONDS,
            "retry_limit": 10,
            **kind,
        }

    def _order(self) -> None:
        if self._recent and self._random.random() < 0.3:
            task_id, verb = self._pick(), self._random.choice(VERBS)
            body = {"to": "first"} if verb == "reorder" else {"reason": "soak"}
            self._ask("POST", f"/tasks/{task_id}/{verb}", json=body, until=(200, 404, 409))

    def _delete(self) -> None:
        if self._recent and self._random.random() < 0.05:
            task_id = self._pick()
            self._deleted.add(task_id)
            self._ask("DELETE", f"/tasks/{task_id}", until=(204, 404))

    def _read(self) -> None:
        if not self._recent:
            return
        task_id = self._pick()
        began = time.monotonic()
        answer = self._ask("GET", f"/tasks/{task_id}", until=(200, 404), tries=1)
        if answer is None or task_id in self._deleted:
            return
        if answer.status_code == 404:
            if began - self._created_at[task_id] > self._lag_seconds:
                self._broken("I1", task_id, "it was promised, and is not found")
            return
        version = answer.json()["version"]
        seen = self._seen.setdefault(task_id, [])
        known = max((known for at, known in seen if at < began - STALE_SECONDS), default=0)
        if version < known:
            self._broken("I9", task_id, f"read version {version} long after version {known}")
        seen.append((time.monotonic(), version))

    def _pick(self) -> int:
        return self._recent[self._random.randrange(len(self._recent))]

    def _ask(
        self, method: str, path: str, *, until: tuple[int, ...], tries: int = 0, **how: Any
    ) -> httpx2.Response | None:
        """Ask again until the answer is one of these; None when `tries` were in vain."""
        count = 0
        while not tries or count < tries:
            count += 1
            port = self._random.choice(self._ports)
            try:
                answer = self._http.request(method, f"http://{LOOPBACK}:{port}{path}", **how)
            except httpx2.TransportError:
                self.refused += 1
            else:
                if answer.status_code in until:
                    return answer
                self._note_refusal(method, path, answer)
            time.sleep(AGAIN_SECONDS)
        return None

    def _note_refusal(self, method: str, path: str, answer: httpx2.Response) -> None:
        self.refused += 1
        if answer.status_code not in {409, 503}:
            words = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
            self._broken("I10", None, words)

    def _broken(self, invariant: str, task_id: int | None, message: str) -> None:
        self._journal.add(kind="broken", invariant=invariant, id=task_id, message=message)


def resume_all(system: System) -> None:
    """Resume what pauses and holds left behind, so that everything can end."""
    base = f"http://{LOOPBACK}:{system.api_ports[0]}"
    with httpx2.Client(timeout=ANSWER_SECONDS) as client:
        while paused := _asked(lambda: client.get(f"{base}/tasks?status=paused&limit=100")):
            for task in paused:
                path = f"{base}/tasks/{task['id']}/resume"
                _asked(lambda path=path: client.post(path, json={}))  # type: ignore[misc]


def _asked(ask: Callable[[], httpx2.Response]) -> Any:
    """Ask until there is an answer that is not a 503."""
    while True:
        try:
            answer = ask()
        except httpx2.TransportError:
            time.sleep(AGAIN_SECONDS)
            continue
        if answer.status_code < 500:
            return answer.json()
        time.sleep(AGAIN_SECONDS)
