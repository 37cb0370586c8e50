"""RUNNINGHUB_KEYS, the codes, and what is never shown."""

import pytest

from schema.runtime.runninghub.codes import CODES, UNKNOWN, Meaning, code_of
from schema.runtime.runninghub.keys import BASE_URL, HubKey, HubKeysError, by_queue, parse
from schema.runtime.runninghub.redaction import LENGTH, redacted
from schema.runtime.settings import Settings

KEYS = "cn=abc123, ai=def456@https://www.runninghub.ai/#3,local=demo@http://127.0.0.1:8188"


def test_keys_have_an_alias_a_base_url_and_a_limit() -> None:
    assert parse(KEYS) == (
        HubKey("cn", "abc123", BASE_URL, None),
        HubKey("ai", "def456", "https://www.runninghub.ai", 3),
        HubKey("local", "demo", "http://127.0.0.1:8188", None),
    )
    assert parse(" ") == ()


def test_the_first_key_serves_the_plain_queue_and_each_one_of_its_name() -> None:
    served = {queue: key.alias for queue, key in by_queue(parse(KEYS)).items()}

    expected = {"runninghub": "cn", "runninghub:cn": "cn", "runninghub:ai": "ai"}
    assert served == expected | {"runninghub:local": "local"}
    assert by_queue(()) == {}


@pytest.mark.parametrize(
    "text",
    [
        "s3cret",
        "a=s3cret@runninghub.cn",
        "a=s3cret#0",
        "a=s3cret#9999",
        "a=s3cret,a=s3cret2",
        "a=s3 cret",
        "a=s3cret@https://user:s3cret@host",
        "a=s3cret@https://host/path",
    ],
)
def test_wrong_keys_are_refused_without_telling_them(text: str) -> None:
    with pytest.raises(HubKeysError) as refused:
        parse(text)
    assert "s3cret" not in str(refused.value)


def test_no_settings_show_a_key() -> None:
    settings = Settings(database_url="mysql://h/d", runninghub_keys="a=s3cret")

    assert "s3cret" not in f"{settings!r}{settings.hub_keys!r}"
    assert settings.hub_keys[0].key == "s3cret"


@pytest.mark.parametrize(
    ("numbers", "meaning"),
    [
        ((415, 421, 429, 814, 1003, 1010, 1011, 1520), Meaning.CAPACITY),
        ((801, 802, 806, 811, 1002, 1014), Meaning.KEY),
        ((416, 436, 812), Meaning.BALANCE),
        ((301, 380, 412, 433, 435, 803, 809, 810, 901, 1007, 1101, 1501), Meaning.PERMANENT),
        ((500, 808, 1000, 1005, 1012), Meaning.PASSING),
        ((423, 807, 1004), Meaning.NOT_FOUND),
        ((813,), Meaning.QUEUED),
        ((804,), Meaning.RUNNING),
        ((805, 1006, 1015, 1504), Meaning.RUN_FAILED),
    ],
)
def test_codes_are_read_by_their_number(numbers: tuple[int, ...], meaning: Meaning) -> None:
    assert {code_of(number).meaning for number in numbers} == {meaning}


def test_nothing_is_concluded_from_a_code_that_nobody_knows() -> None:
    assert code_of(777) is UNKNOWN
    assert UNKNOWN.meaning is Meaning.PASSING
    assert all(code.seconds > 0 for code in CODES.values() if code.meaning is Meaning.CAPACITY)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("the key k-1 is bad", "the key [hidden] is bad"),
        ("see https://x.cos.cn/a.png?q-sign=1&b=2 now", "see https://x.cos.cn/[hidden] now"),
        ("wss://www.cn:443/ws/c?Rh-Comfy-Auth=abc", "wss://www.cn:443/[hidden]"),
        ("https://user:pw@host/x", "https://host/[hidden]"),
        ("q-signature=abc&x=1 apiKey=zzz", "q-signature=[hidden]&x=1 apiKey=[hidden]"),
    ],
)
def test_remote_texts_lose_what_opens_doors(said: str, told: str) -> None:
    assert redacted(said, "k-1") == told
    assert len(redacted("x" * 9_999, "k-1")) == LENGTH
