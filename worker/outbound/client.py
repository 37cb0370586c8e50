"""One client for each event loop, so that its connections are used again."""

import asyncio
from collections.abc import AsyncGenerator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from weakref import WeakKeyDictionary

import httpx2

from schema.destinations import Allowance
from schema.runtime.settings import settings
from schema.version import VERSION
from worker.outbound.guard import GuardedTransport, Lookup, look_up

CONNECT_SECONDS = 10
MOST_REDIRECTS = 3

_Holder = AsyncGenerator[httpx2.AsyncClient]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[httpx2.AsyncClient, _Holder]] = (
    WeakKeyDictionary()
)


async def client() -> httpx2.AsyncClient:
    """Return the guarded client of this event loop; it is closed when the loop is."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        made = make(settings().allowance)
        holder = _held(made)
        _clients[loop] = made, holder
        await anext(holder)
    return _clients[loop][0]


def make(allowance: Allowance, look_up: Lookup = look_up) -> httpx2.AsyncClient:
    """Return a guarded client. Only connecting has a time-out of its own."""
    return httpx2.AsyncClient(
        transport=GuardedTransport(allowance, look_up),
        trust_env=False,
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        max_redirects=MOST_REDIRECTS,
        # What a server asks to remember must not come with somebody else's task.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": f"rowlease/{VERSION}", "accept-encoding": "identity"},
    )


async def _held(made: httpx2.AsyncClient) -> _Holder:
    """Hold a client until the loop's end: that is when asyncio closes generators."""
    async with made:
        yield made
