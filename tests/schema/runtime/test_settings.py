"""Settings are refused at start with a sentence that says what is wrong."""

import pytest

from schema.runtime.addresses import DatabaseAddress, DatabaseAddressError
from schema.runtime.settings import Settings, SettingsError, settings

URL = "mysql://user:secret@db:3307/name"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set, and nothing is remembered."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("tests.schema.runtime.test_settings.settings", settings.__wrapped__)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", None, "DATABASE_URL is not set"),
        ("DATABASE_URL", "postgres://h/d", "DATABASE_URL: it must begin with mysql://"),
        ("DATABASE_URL", "mysql://h", "DATABASE_URL: it must name a host and a database"),
        ("DATABASE_URL", "mysql://h:x/d", "DATABASE_URL: it has no usable host and port"),
        ("DATABASE_URL", "mysql://one,/d", "DATABASE_URL: it has no usable host and port"),
        ("PORT", "http", "PORT: Input should be a valid integer"),
        ("REDIS_URL", "http://h", "REDIS_URL: it must begin with redis://"),
        ("WORKER_CONCURRENCY", "0", "WORKER_CONCURRENCY: Input should be greater than or equal"),
        ("TIMEZONE", "Mars/Olympus", "TIMEZONE: there is no time zone 'Mars/Olympus'"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT: String should match"),
        (
            "CLIENT_TOKENS",
            "a,two words",
            "CLIENT_TOKENS: a token has visible ASCII",
        ),
        ("OPERATOR_TOKENS", "schlüssel", "OPERATOR_TOKENS: a token has visible ASCII"),
        ("CORS_ORIGINS", "*", "CORS_ORIGINS: name each origin, such as https://example.org"),
        ("CORS_ORIGINS", "https://a.example/x", "CORS_ORIGINS: name each origin"),
        ("HTTP_ALLOW_HOSTS", "a.lan,*.lan", "HTTP_ALLOW_HOSTS: *.lan is no host"),
        ("CALLBACK_SECRET", "whsec_c2hvcnQ=", "CALLBACK_SECRET: each one is whsec_ and 24"),
        ("CALLBACK_SECRET", "a2V5" * 10, "CALLBACK_SECRET: each one is whsec_ and 24"),
        ("CALLBACK_SECRET", "whsec_" + "数" * 40, "CALLBACK_SECRET: each one is whsec_"),
        ("RATE_LIMIT", "0", "RATE_LIMIT: String should match"),
        ("RATE_LIMIT", "5/minute", "RATE_LIMIT: String should match"),
        ("MAX_QUEUE_DEPTH", "0", "MAX_QUEUE_DEPTH: Input should be greater"),
        ("RETRY_BACKOFF_MAX_SECONDS", "0.5", "must not be less than RETRY_BACKOFF_SECONDS"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, sentence: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        settings()

    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


def test_settings_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)

    with pytest.raises(ValueError, match="frozen"):
        settings().port = 1


def test_modules_are_taken_in_the_order_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("WORKER_HANDLERS", "b, a.c,,")

    assert settings().handler_modules == ("b", "a.c")


def test_a_token_has_one_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("CLIENT_TOKENS", " a, ,known-by-two")
    monkeypatch.setenv("OPERATOR_TOKENS", "b/+=._~")
    assert settings().tokens == {"a": "client", "known-by-two": "client", "b/+=._~": "operator"}
    assert "known" not in repr(settings())

    monkeypatch.setenv("OPERATOR_TOKENS", "b,known-by-two")
    with pytest.raises(SettingsError, match="must not share a token") as caught:
        settings()
    assert "shared-by-two" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({}, "127.0.0.1"),
        ({"CLIENT_TOKENS": "a"}, "0.0.0.0"),
        ({"OPERATOR_TOKENS": "a"}, "0.0.0.0"),
        ({"CLIENT_TOKENS": ","}, "127.0.0.1"),
        ({"OPERATOR_TOKENS": "a", "HOST": "::1"}, "::1"),
        ({"HOST": "0.0.0.0"}, "0.0.0.0"),
    ],
)
def test_only_with_tokens_other_machines_are_listened_to(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], host: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert settings().bind_host == host


@pytest.mark.parametrize(("given", "rate"), [("5", (5, 1)), ("600/60", (600, 60)), (None, None)])
def test_a_rate_is_requests_in_seconds(
    monkeypatch: pytest.MonkeyPatch, given: str | None, rate: tuple[int, int] | None
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    if given is not None:
        monkeypatch.setenv("RATE_LIMIT", given)

    assert settings().rate == rate


@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "mariadb"])
def test_an_address_is_taken_apart(scheme: str) -> None:
    address = DatabaseAddress.parse(f"{scheme}://us%40er:p%2Fw@db:3307/name?ssl_ca=x")

    assert (address.servers, address.database) == ((("db", 3307),), "name")
    assert (address.user, address.password) == ("us@er", "p/w")
    assert address.options == {"ssl_ca": "x"}
    assert "p/w" not in repr(address)


def test_the_usual_port_needs_no_name() -> None:
    assert DatabaseAddress.parse("mysql://h/d").servers == (("h", 3306),)


def test_several_servers_stand_behind_one_another() -> None:
    address = DatabaseAddress.parse("mysql://us:p@one:3307,two,[::1]:3308/d")

    assert address.servers == (("one", 3307), ("two", 3306), ("::1", 3308))
    assert address.place == "one:3307,two:3306,::1:3308/d"
    assert (address.user, address.password) == ("us", "p")


def test_another_scheme_is_refused() -> None:
    with pytest.raises(DatabaseAddressError, match="mysql://"):
        DatabaseAddress.parse("sqlite:///file")
