"""Ours, measured as the peers are: the tables' own functions, and the worker as it is deployed."""

import os
import subprocess
import sys
from collections.abc import Sequence

from sqlalchemy import inspect

from schema import tasks
from schema.new_task import NewTask
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from schema.runtime.transactions import transaction
from tools.bench.peers.apps import rowlease_handler
from tools.bench.peers.apps.ground import STORE_URL, Peer
from tools.bench.peers.apps.rowlease_handler import TASK_TYPE
from tools.bench.stand import empty

SLOTS = "500"

_engine = create_thread_engine(DatabaseAddress.parse(STORE_URL), connections=1)


def set_up() -> None:
    """Make the tables, or empty them where they are there: to make them takes seconds."""
    if inspect(_engine).has_table("tasks"):
        empty(_engine)
        return
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(command, env=_environment(), check=True, stdout=sys.stderr)


def one(number: int) -> None:
    """Create a task in a transaction of its own."""
    many([number])


def many(numbers: Sequence[int]) -> None:
    """Create tasks in one transaction."""
    new = [
        NewTask(title="bench", task_type=TASK_TYPE, payload={"number": number})
        for number in numbers
    ]
    with transaction(_engine) as connection:
        tasks.create(connection, new)


def worker() -> None:
    """Become the worker."""
    variables = {"WORKER_CONCURRENCY": SLOTS, "WORKER_HANDLERS": rowlease_handler.__name__}
    os.execve(sys.executable, [sys.executable, "-m", "worker"], _environment() | variables)


def _environment() -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": STORE_URL, "LOG_FORMAT": "json"}


PEER = Peer(one=one, many=many, worker=worker, set_up=set_up)
