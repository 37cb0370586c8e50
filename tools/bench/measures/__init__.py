"""The measures: one file for each."""

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar, Protocol

from tools.bench.figures import Figure
from tools.bench.measures.backlog import Backlog
from tools.bench.measures.batches import Batches
from tools.bench.measures.cached import Cached
from tools.bench.measures.disk import Disk
from tools.bench.measures.drain import Drain
from tools.bench.measures.enqueue import Enqueue
from tools.bench.measures.functions import Functions
from tools.bench.measures.gates import Gates
from tools.bench.measures.idle import Idle
from tools.bench.measures.limit import Limit
from tools.bench.measures.lists import Lists
from tools.bench.measures.memory import Memory
from tools.bench.measures.migrating import Migrating
from tools.bench.measures.pages import Pages
from tools.bench.measures.pickup import Pickup
from tools.bench.measures.pruning import Pruning
from tools.bench.measures.requests import Requests
from tools.bench.measures.scaling import Scaling
from tools.bench.measures.snapshot import Snapshot
from tools.bench.measures.threads import Threads
from tools.bench.stand import Stand


class Sized(Protocol):
    """A dataclass whose fields are sizes."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class Measure(Sized, Protocol):
    """Something to measure, with the sizes that it is measured with."""

    def measure(self, stand: Stand) -> list[Figure]:
        """Take one run's figures."""


MEASURES: Mapping[str, Measure] = {
    "drain": Drain(),
    "scaling": Scaling(),
    "functions": Functions(),
    "threads": Threads(),
    "enqueue": Enqueue(),
    "disk": Disk(),
    "backlog": Backlog(),
    "snapshot": Snapshot(),
    "pickup": Pickup(),
    "gates": Gates(),
    "limit": Limit(),
    "memory": Memory(),
    "idle": Idle(),
    "pruning": Pruning(),
    "migrating": Migrating(),
    "batches": Batches(),
    "lists": Lists(),
    "pages": Pages(),
    "requests": Requests(),
    "cached": Cached(),
}
"""All measures by name, with the sizes that the project's targets are set for."""
