"""Where requests may go."""

from ipaddress import ip_address

import pytest

from schema.destinations import METADATA, Allowance, DestinationError, destination_of, is_public


def words(text: str) -> list[str]:
    return text.split()


CLOSED = words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.254
169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1
::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b:1::1
100::1 2001::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
2002:a9fe:a9fe::1 2002:808:808::1 3fff::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1 fec0::1
ff02::1 ff0e::1 5f00::1
""")

OPEN = words("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
2606:4700:4700::1111 2001:4860:4860::8888 2400:3200::1 2a00:1450::1
""")

ODD = words("""
http://2852039166/ http://0xA9FEA9FE/ http://0xa9.0xfe.0xa9.0xfe/ http://0251.0376.0251.0376/
http://0251.254.169.254/ http://169.254.43518/ http://169.16689662/ http://127.1/ http://0/
http://127.0.1/ http://017700000001/ http://0x7f000001/ http://2130706433/ http://0x7f.1/
http://127.0.0.1./ http://1.1/ http://134744072/ http://08.8.8.8/ http://999.1.1.1/
http://256.256.256.256/ http://1.2.3.4.5/ http://0x/ http://example.0x1/ http://example.5/
http://[::1%25eth0]/ http://[fe80::1%eth0]/ http://[127.0.0.1/ http://[example.org]/
http://[::1]extra/ http://%31%32%37.0.0.1/ http://127.0.0.1%2f@example.org/ http://１２７.0.0.1/
http://①②⑦.⓪.⓪.①/ http://127。0。0。1/ http://ⓛocalhost/ http://exa_mple..org/
http://example.org:0/ http://example.org:65536/ http://example.org:x/ http:/// http:///path
http://?q http://#f http://-a.example/ http://a-.example/ http://.example/ http:example.org
""")


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_of_the_public_network_is_closed(address: str) -> None:
    assert not is_public(ip_address(address))
    assert Allowance().refuses("example.org", 443, ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_the_public_network_is_open(address: str) -> None:
    assert not Allowance().refuses("example.org", 443, ip_address(address))


@pytest.mark.parametrize("url", ODD)
def test_hosts_in_odd_forms_are_refused_wherever_they_lead(url: str) -> None:
    with pytest.raises(DestinationError) as refused:
        destination_of(url)
    assert refused.value.code in {"url_host", "url_invalid", "url_credentials"}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.org/", "url_scheme"),
        ("file:///etc/passwd", "url_scheme"),
        ("gopher://127.0.0.1:6379/_INFO", "url_scheme"),
        ("dict://127.0.0.1:11211/", "url_scheme"),
        ("unix:///var/run/docker.sock", "url_scheme"),
        ("javascript:alert(1)", "url_scheme"),
        ("//example.org/", "url_scheme"),
        ("example.org/path", "url_scheme"),
        ("", "url_scheme"),
        ("https://user@example.org/", "url_credentials"),
        ("https://user:pw@example.org/", "url_credentials"),
        ("https://example.org@127.0.0.1/", "url_credentials"),
        ("https://127.0.0.1\\@example.org/", "url_invalid"),
        ("https://example.org\\@127.0.0.1/", "url_invalid"),
        ("https://example.org/\r\nHost: x", "url_invalid"),
        ("https://exam\tple.org/", "url_invalid"),
        (" https://example.org/", "url_invalid"),
        ("https://example.org/\0", "url_invalid"),
        ("https://example.org/a b", "url_invalid"),
    ],
)
def test_a_url_is_plain_http_without_credentials(url: str, code: str) -> None:
    with pytest.raises(DestinationError) as refused:
        destination_of(url)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://Example.ORG", "example.org", 443),
        ("HTTP://example.org/", "example.org", 80),
        ("https://example.org.:8443/数?q=图#f", "example.org.", 8443),
        ("http://xn--fsq.example/", "xn--fsq.example", 80),
        ("http://a_b.example/", "a_b.example", 80),
        ("http://3com.example/", "3com.example", 80),
        ("http://8.8.8.8:81/", "8.8.8.8", 81),
        ("http://[2606:4700::1111]:82/", "2606:4700::1111", 82),
        ("http://example.org/?next=http://user@127.0.0.1/", "example.org", 80),
    ],
)
def test_a_usual_url_leads_to_its_host_and_port(url: str, host: str, port: int) -> None:
    assert destination_of(url)[1:] == (host, port)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "http://localhost./",
        "http://LOCALHOST:8000/",
        "http://a.localhost/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_what_is_private_by_its_looks_is_refused_without_a_lookup(url: str) -> None:
    with pytest.raises(DestinationError) as refused:
        Allowance().check(url)
    assert refused.value.code == "url_private"


ALLOWED = Allowance.parse(
    "printer.lan, Cups.LAN:631,127.0.0.1:8000, [::1]:8000, 10.0.0.5, 10.1.0.0/16, fd12::/16,"
    " 192.168.0.1"
)


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("printer.lan", 80, "10.9.9.9"),
        ("printer.lan", 9100, "127.0.0.1"),
        ("cups.lan", 631, "10.9.9.9"),
        ("127.0.0.1", 8000, "127.0.0.1"),
        ("::1", 8000, "::1"),
        ("10.0.0.5", 1, "10.0.0.5"),
        ("any.example", 80, "10.1.255.255"),
        ("any.example", 80, "::ffff:10.1.0.1"),
        ("any.example", 80, "fd12::1"),
    ],
)
def test_what_is_allowed_is_open(host: str, port: int, address: str) -> None:
    assert not ALLOWED.refuses(host, port, ip_address(address))


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("other.lan", 80, "10.9.9.9"),
        ("sub.printer.lan", 80, "10.9.9.9"),
        ("cups.lan", 80, "10.9.9.9"),
        ("127.0.0.1", 8001, "127.0.0.1"),
        ("localhost", 8000, "127.0.0.1"),
        ("any.example", 1, "10.0.0.5"),
        ("any.example", 80, "10.2.0.0"),
        ("any.example", 80, "::ffff:10.2.0.0"),
    ],
)
def test_nothing_else_is_open_for_that(host: str, port: int, address: str) -> None:
    assert ALLOWED.refuses(host, port, ip_address(address))


EVERYTHING = Allowance.parse("trap.example,169.254.169.254,[fd00:ec2::254]:80,0.0.0.0/0,::/0")


@pytest.mark.parametrize("address", sorted(map(str, METADATA)))
@pytest.mark.parametrize("host", ["trap.example", ""])
def test_nothing_opens_the_secrets_of_a_cloud(address: str, host: str) -> None:
    assert EVERYTHING.refuses(host or address, 80, ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:808:808:0:ffff:5601:5601",
    ],
)
def test_nothing_opens_them_by_way_of_ipv6_either(address: str) -> None:
    assert EVERYTHING.refuses("trap.example", 80, ip_address(address))


@pytest.mark.parametrize(
    "text", ["*.lan", "http://printer.lan", "printer.lan/", "10.0.0.1/8", "10.0.0.0/33", "a b", "-"]
)
def test_what_opens_no_host_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        Allowance.parse(text)
