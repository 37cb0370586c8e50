"""The clients: everything that they offer, and how they are set up."""

import os
from types import TracebackType
from typing import Any, Generic, Self

import httpx2

from rowlease.batches import Batches
from rowlease.connection import Connection
from rowlease.dispatcher import Dispatcher
from rowlease.errors import SettingsError
from rowlease.files import Files
from rowlease.operations import M
from rowlease.overview import Overviews
from rowlease.queues import Queues
from rowlease.schedules import Schedules
from rowlease.tags import Tags
from rowlease.tasks import Tasks
from rowlease.transports import Async, Sync
from rowlease.workers import Workers

URL = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 10.0
RETRIES = 3


class Resources(Generic[M]):
    """What the API serves; M says whether its methods wait or are awaited."""

    def __init__(self, connection: Connection[M]) -> None:
        self.tasks = Tasks(connection)
        self.queues = Queues(connection)
        self.schedules = Schedules(connection)
        self.dispatcher = Dispatcher(connection)
        self.workers = Workers(connection)
        self.tags = Tags(connection)
        self.batches = Batches(connection)
        self.files = Files(connection)
        self.overview = Overviews(connection)


class Client(Resources[Sync]):
    """A client whose methods wait for the answer. It may be used by several threads.

    url      where the API is; by default ROWLEASE_URL, else http://127.0.0.1:8000
    token    who asks; by default ROWLEASE_TOKEN, else none
    timeout  seconds that one answer may take
    retries  how often a request is sent again after it failed for a reason that passes
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        self._http = httpx2.Client(**_settings(url, token))
        super().__init__(Connection(Sync(self._http), timeout, retries))

    def close(self) -> None:
        """Close the connections; a `with` block does it by itself."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(Resources[Async]):
    """A client whose methods are awaited, in asyncio; it is set up like Client."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        self._http = httpx2.AsyncClient(**_settings(url, token))
        super().__init__(Connection(Async(self._http), timeout, retries))

    async def aclose(self) -> None:
        """Close the connections; an `async with` block does it by itself."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _settings(url: str | None, token: str | None) -> dict[str, Any]:
    token = token or os.environ.get("ROWLEASE_TOKEN")
    headers = {"user-agent": "rowlease-client"}
    if token:
        if not token.isascii() or not token.isprintable():
            raise SettingsError("the token (ROWLEASE_TOKEN) has characters that no token can have")
        headers["authorization"] = f"Bearer {token}"
    return {"base_url": _checked(url or os.environ.get("ROWLEASE_URL") or URL), "headers": headers}


def _checked(url: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise SettingsError(f"the url (ROWLEASE_URL) cannot be read: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise SettingsError(f"the url (ROWLEASE_URL) must be like {URL}, not {url!r}")
    return parsed
