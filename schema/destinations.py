"""Where requests may go that clients ask for: public addresses, and what HTTP_ALLOW_HOSTS opens.

The networks are those of IANA's special-purpose address registries that are not globally
reachable. Python's `is_global` knows others with each of its versions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import NamedTuple
from urllib.parse import urlsplit

URL_LENGTH = 2_048

Address = IPv4Address | IPv6Address

PORTS = {"http": 80, "https": 443}

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # nearly every cloud
            "169.254.170.2",  # AWS, credentials of containers
            "169.254.170.23",
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure, although it is a public address
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
        ),
    )
)
"""Where clouds tell machines their secrets: nothing opens these."""

_CLOSED_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_TEREDO = IPv6Network("2001::/32")
_CLOSED_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_EMBEDDING = tuple(map(IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48")))
"""IPv4-compatible addresses and NAT64: the last 32 bits are an IPv4 address."""

_UNWANTED = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\\]")
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]*)?")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""What resolvers may read as an IPv4 address, the odd ways to write one included."""

_SENTENCES = {
    "url_invalid": "it is no URL such as https://example.org/path",
    "url_scheme": "it must begin with https:// or http://",
    "url_credentials": "it must not have a user name or password in it",
    "url_host": "it must name a host, or an address in its usual form",
    "url_private": "it leads to an address that is not public; HTTP_ALLOW_HOSTS opens hosts",
}


class DestinationError(ValueError):
    """A URL leads where no request may go. `code` says why in a word, the message in a sentence."""

    def __init__(self, code: str) -> None:
        super().__init__(_SENTENCES[code])
        self.code = code


class Destination(NamedTuple):
    """Where a URL leads. `host` is a name in small letters, or an address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> Address | None:
        """The address that the host is, if it is one."""
        return _address(self.host)


def destination_of(url: str) -> Destination:
    """Return where a URL leads, as far as it tells.

    Raises DestinationError for what is no http or https URL, has credentials in it, or writes an
    address in another than its usual form.
    """
    if _UNWANTED.search(url):
        raise DestinationError("url_invalid")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise DestinationError("url_invalid") from None
    if parts.scheme not in PORTS:
        raise DestinationError("url_scheme")
    if "@" in parts.netloc:
        raise DestinationError("url_credentials")
    host = parts.hostname or ""
    if port == 0 or not _is_host(host, parts.netloc):
        raise DestinationError("url_host")
    return Destination(parts.scheme, host, PORTS[parts.scheme] if port is None else port)


def _is_host(host: str, netloc: str) -> bool:
    if "[" in netloc:
        return _BRACKETED.fullmatch(netloc) is not None and _address(host) is not None
    if _NUMBER.fullmatch(host):
        return _address(host) is not None
    return len(host) <= 253 and _HOST.fullmatch(host) is not None


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is open beside public addresses: hosts, at one port or at all, and networks."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Allowance":
        """Return the allowance in `text`, such as "printer.lan, 10.0.0.5:8080, 10.1.0.0/16".

        Raises ValueError for what is none of these.
        """
        words = [word.strip().lower() for word in text.split(",") if word.strip()]
        networks = tuple(_network(word) for word in words if "/" in word)
        return cls(frozenset(_host_and_port(word) for word in words if "/" not in word), networks)

    def refuses(self, host: str, port: int, address: Address) -> bool:
        """Whether no request may go to this address of a host."""
        forms = [address, *_embedded(address)]
        if not METADATA.isdisjoint(forms):
            return True
        if is_public(address) or {(host, None), (host, port)} & self.hosts:
            return False
        return not any(form in network for form in forms for network in self.networks)

    def check(self, url: str) -> None:
        """Raise DestinationError where a URL by itself leads to what is not open.

        Whether a name does is known when it is looked up.
        """
        _, host, port = found = destination_of(url)
        is_here = host.rstrip(".").rpartition(".")[2] == "localhost"
        address = ip_address("127.0.0.1") if is_here else found.address
        if address is not None and self.refuses(host, port, address):
            raise DestinationError("url_private")


def is_public(address: Address) -> bool:
    """Whether an address is of the public network, and is what it seems."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    return address in _UNICAST_6 and not any(address in network for network in _CLOSED_6)


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address may lead to."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address in _TEREDO and address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _EMBEDDING):
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _network(word: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(word)
    except ValueError as error:
        raise ValueError(f"{word} is no network such as 10.1.0.0/16: {error}") from None


def _host_and_port(word: str) -> tuple[str, int | None]:
    if _address(word) is not None:
        return word, None
    try:
        destination = destination_of(f"http://{word}/")
        port = urlsplit(f"http://{word}/").port
    except ValueError:
        raise ValueError(f"{word} is no host, host:port or network") from None
    return destination.host, port
