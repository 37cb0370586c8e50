"""The guard: connects to addresses that were looked at, and to no others.

It stands where connections are made, below TLS: the name is looked up once, its addresses are
judged, and one of these very addresses is connected to. A name server that answers differently
the second time is not asked a second time.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address

import httpcore2
import httpx2

from schema.destinations import Address, Allowance, destination_of
from worker.signals import PermanentFailure

Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Returns the addresses of a host, the best first; raises OSError when it has none."""

KEPT_CONNECTIONS = 100


class Refused(PermanentFailure):
    """No request may go there; the message says why. Uncaught, it fails the task for good."""


async def look_up(host: str, port: int) -> Sequence[Address]:
    """Ask the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(ip_address(each[4][0]) for each in found))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Makes the connections of a pool."""

    def __init__(self, allowance: Allowance, look_up: Lookup) -> None:
        self._allowance = allowance
        self._look_up = look_up
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers, if all of them are open."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._look_up(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("its name was not looked up in time") from None
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"it has no address: {error}") from None
        if any(self._allowance.refuses(host, port, address) for address in addresses):
            raise Refused(f"{host} has an address that is not public; see HTTP_ALLOW_HOSTS")
        share = None if timeout is None else timeout / max(len(addresses), 1)
        failure: Exception = httpcore2.ConnectError("it has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, share, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: a socket of this machine is not public."""
        raise Refused(f"{path} is a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait, for the pool."""
        await self._inner.sleep(seconds)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """A transport whose connections the guard makes; each request's URL is looked at too."""

    def __init__(self, allowance: Allowance, look_up: Lookup = look_up) -> None:
        context = httpx2.create_ssl_context()
        super().__init__(verify=context)
        # The library takes everything but who makes the connections.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,  # the worker's slots are the limit
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=30,
            network_backend=GuardedBackend(allowance, look_up),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; redirects come by here again."""
        try:
            destination_of(str(request.url))
        except ValueError as error:
            raise Refused(f"the URL cannot be used: {error}") from None
        return await super().handle_async_request(request)
