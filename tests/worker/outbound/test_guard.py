"""The guard, with real connections."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from schema.destinations import Address, Allowance
from tests.receiver import Receiver, Reply, receiving
from worker.outbound import Refused
from worker.outbound.client import make

NAME = "shop.example"


class Names:
    """A name server that gives its answers one after the other, the last for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise OSError("no such name")
        return [ip_address(each) for each in answer]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def get(url: str, allowed: str = "", names: Names | None = None, **how: Any) -> httpx2.Response:
    """Ask for a URL by a guarded client."""

    async def ask() -> httpx2.Response:
        lookup = {} if names is None else {"look_up": names}
        async with make(Allowance.parse(allowed), **lookup) as client:
            return await client.get(url, **how)

    return asyncio.run(ask())


def test_a_private_address_is_refused_and_nothing_is_sent(receiver: Receiver) -> None:
    with pytest.raises(Refused, match="not public"):
        get(receiver.url)
    assert receiver.received == []


def test_an_open_host_is_reached(receiver: Receiver) -> None:
    assert get(receiver.url, receiver.host).status_code == 200


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
    ],
)
def test_a_name_is_refused_for_any_of_its_addresses(
    receiver: Receiver, answer: Sequence[str]
) -> None:
    with pytest.raises(Refused):
        get(f"http://{NAME}:{receiver.port}/", names=Names(answer))
    assert receiver.received == []


def test_a_name_that_changes_its_address_meanwhile_is_asked_once(receiver: Receiver) -> None:
    names = Names(["192.0.2.1", "127.0.0.1"], ["127.0.0.1"])  # 192.0.2.1 is nobody's

    with pytest.raises(Refused):
        get(f"http://{NAME}:{receiver.port}/", "192.0.2.0/24", names)

    assert names.asked == [(NAME, receiver.port)]
    assert receiver.received == []


def test_the_connection_goes_to_the_address_that_was_judged(receiver: Receiver) -> None:
    names = Names(["127.0.0.1"], ["192.0.2.1"])

    assert get(f"http://{NAME}:{receiver.port}/", NAME, names).status_code == 200

    assert len(names.asked) == 1
    assert receiver.received[0].headers["host"] == f"{NAME}:{receiver.port}"


def test_each_new_connection_is_judged_again(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(headers={"connection": "close"})
    names = Names(["127.0.0.1"], ["127.0.0.1", "169.254.169.254"])

    async def ask_twice() -> None:
        async with make(Allowance.parse(NAME), names) as client:
            await client.get(f"http://{NAME}:{receiver.port}/")
            with pytest.raises(Refused):
                await client.get(f"http://{NAME}:{receiver.port}/")

    asyncio.run(ask_twice())
    assert len(receiver.received) == 1


def test_connections_are_used_again(receiver: Receiver) -> None:
    async def ask_often() -> None:
        async with make(Allowance.parse(receiver.host)) as client:
            for _ in range(5):
                await client.get(receiver.url)

    asyncio.run(ask_often())
    assert len({each.client for each in receiver.received}) == 1


def test_a_lookup_that_fails_sends_nothing(receiver: Receiver) -> None:
    with pytest.raises(httpx2.ConnectError, match="has no address"):
        get(f"http://{NAME}:{receiver.port}/", NAME, Names([]))


def test_a_lookup_that_hangs_ends_with_the_time_to_connect() -> None:
    async def hang(_host: str, _port: int) -> Sequence[Address]:
        await asyncio.Event().wait()
        return []

    async def ask() -> None:
        async with make(Allowance(), hang) as client:
            await client.get(f"http://{NAME}/", timeout=0.05)

    with pytest.raises(httpx2.ConnectTimeout):
        asyncio.run(ask())


def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    names = Names(["127.0.0.2", "127.0.0.1"])  # nobody listens at the first

    assert get(f"http://{NAME}:{receiver.port}/", NAME, names).status_code == 200


def test_a_redirect_is_an_answer_like_others(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(302, headers={"location": "http://10.0.0.1/"})

    assert get(receiver.url, receiver.host).status_code == 302


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://localhost/",
        "http://user:pw@127.0.0.1:{port}/",
        "http://2130706433:{port}/",
        "//127.0.0.2:{port}/",
    ],
)
def test_a_redirect_is_guarded_like_the_first_request(receiver: Receiver, location: str) -> None:
    receiver.answer = lambda _: Reply(
        302, headers={"location": location.format(port=receiver.port)}
    )

    with pytest.raises(Refused):
        get(receiver.url, receiver.host, follow_redirects=True)
    assert len(receiver.received) == 1


def test_three_redirects_are_followed_at_most(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(302, headers={"location": "/on"})

    with pytest.raises(httpx2.TooManyRedirects):
        get(receiver.url, receiver.host, follow_redirects=True)
    assert len(receiver.received) == 4


def test_proxies_and_passwords_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9/")

    assert get(receiver.url, receiver.host).status_code == 200
    assert "authorization" not in receiver.received[0].headers


def test_no_cookie_comes_with_the_next_request(receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(headers={"set-cookie": "session=1; Path=/"})

    async def ask_twice() -> None:
        async with make(Allowance.parse(receiver.host)) as client:
            await client.get(receiver.url)
            await client.get(receiver.url)

    asyncio.run(ask_twice())
    assert ["cookie" in each.headers for each in receiver.received] == [False, False]


@pytest.fixture
def certified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Receiver, list[str]]]:
    """A receiver that proves to be NAME, and the names that it was asked for by TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    asked: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.sni_callback = lambda _socket, wanted, _context: asked.append(wanted)
    with receiving(context) as running:
        yield running, asked


def test_tls_keeps_the_name_and_checks_it(certified: tuple[Receiver, list[str]]) -> None:
    receiver, asked = certified
    url = f"https://{NAME}:{receiver.port}/"

    assert get(url, NAME, Names(["127.0.0.1"])).status_code == 200

    assert asked == [NAME]
    assert receiver.received[0].headers["host"] == f"{NAME}:{receiver.port}"
    with pytest.raises(httpx2.ConnectError, match=r"(?i)certificate"):
        get(url.replace("shop", "bank"), "bank.example", Names(["127.0.0.1"]))
