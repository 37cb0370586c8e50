"""Whether a request comes directly from a program on this machine."""

from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.types import Scope

_FORWARDED = frozenset({b"forwarded", b"via", b"x-real-ip"})


def foreign_trait(scope: Scope, origins: Collection[str]) -> str | None:
    """Return what shows that a request comes from elsewhere, None when nothing does.

    A page of another site, run by a browser on this machine, comes from elsewhere, unless its
    origin is one of `origins`; so does one that has led the browser here by a name of its own.
    """
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return str(client[0]) if client else "?"
    for name, value in scope["headers"]:
        if name in _FORWARDED or name.startswith(b"x-forwarded-"):
            return str(name, "latin-1")
        if name == b"host" and not _names_this_machine(b"//" + value):
            return f"Host: {_shown(value)}"
        if name == b"origin" and not (
            _names_this_machine(value) or str(value, "latin-1") in origins
        ):
            return f"Origin: {_shown(value)}"
    return None


@lru_cache(maxsize=1_024)
def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, can only be this machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


@lru_cache(maxsize=1_024)
def network(host: str) -> str:
    """Return what is one asker among addresses: an IPv4 address, or 64 bits of an IPv6 one."""
    return ":".join(host.split(":")[:4]) if host.count(":") > 3 and "." not in host else host


@lru_cache(maxsize=1_024)
def _names_this_machine(address: bytes) -> bool:
    try:
        return is_loopback(urlsplit(address.decode("ascii")).hostname or "")
    except ValueError:
        return False


def _shown(value: bytes) -> str:
    return str(value[:100], "latin-1")
