"""How far a run is, as its ComfyUI tells over a socket: nice to know, and never more.

RunningHub calls these sockets unstable. Whatever goes wrong with one, the run is looked at as
ever. Their addresses are signed: they are in no log.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from schema.runtime.runninghub.client import Hub
from schema.runtime.runninghub.errors import HubError

Tell = Callable[[float], None]
"""Takes how much is done, in percent."""

MOST_BYTES = 1024 * 1024
ALMOST = 99.0
"""It is done when its files are there."""


class Nodes:
    """Counts the nodes that are done, of so many."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done: set[str] = set()
        self._now: str | None = None
        self._share = 0.0

    @property
    def percent(self) -> float:
        """How much is done."""
        return min(100 * (len(self._done) + self._share) / self._total, ALMOST)

    def take(self, message: Any) -> None:
        """Take note of one message of ComfyUI's."""
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            return
        data = message["data"]
        match message.get("type"):
            case "execution_cached" if isinstance(data.get("nodes"), list):
                self._done.update(str(node) for node in data["nodes"])
                self._share = 0.0 if self._now in self._done else self._share
            case "executing" if data.get("node") is not None:
                self._begin(str(data["node"]))
            case "progress" if isinstance(data.get("max"), int | float) and data["max"] > 0:
                self._share = min(max(float(data.get("value") or 0) / data["max"], 0), 1)
            case _:
                pass

    def _begin(self, node: str) -> None:
        if node == self._now:
            return
        if self._now is not None:
            self._done.add(self._now)
        self._now, self._share = node, 0.0


class Progress:
    """Follows the socket of one run, once its address is known."""

    def __init__(self, hub: Hub, workflow_id: str, tell: Tell) -> None:
        self._hub = hub
        self._workflow_id = workflow_id
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def follow(self, address: str | None) -> None:
        """Follow a socket, if nothing was followed before; only one of RunningHub's own host."""
        host = urlsplit(self._hub.key.base_url).hostname
        if address is None or self._task is not None or urlsplit(address).hostname != host:
            return
        self._task = asyncio.create_task(self._follow(address))

    def end(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()

    async def _follow(self, address: str) -> None:
        try:
            nodes = Nodes(len(await self._hub.graph(self._workflow_id)))
            async with connect(address, max_size=MOST_BYTES) as socket:
                async for message in socket:
                    if isinstance(message, str):  # others are previews
                        nodes.take(orjson.loads(message))
                        self._tell(nodes.percent)
        except (HubError, WebSocketException, OSError, ValueError):
            return
