"""Settings: environment variables, read once into one frozen object."""

import re
import socket
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schema.destinations import Allowance
from schema.limits import LONGEST_RETENTION_DAYS
from schema.runtime import alert_urls
from schema.runtime.addresses import DatabaseAddress
from schema.runtime.alert_urls import AlertTarget
from schema.runtime.runninghub import keys
from schema.runtime.runninghub.keys import HubKey
from schema.states import Actor
from schema.zones import zone_of

Seconds = Annotated[float, Field(gt=0)]


_TOKEN = re.compile("[!-+\\--~]+")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_PUBLIC_URL = re.compile(rf"{_ORIGIN.pattern}(/[A-Za-z0-9._~%-]+)*/?")


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which one and what it takes."""


class Settings(BaseSettings):
    """What Procfile platforms set. Names are those of the environment, in small letters."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str
    redis_url: str | None = None
    host: str | None = None
    port: int = Field(default=8000, ge=0, le=65535)
    web_concurrency: int = Field(default=1, ge=1, le=256)
    client_tokens: str = Field(default="", repr=False)
    operator_tokens: str = Field(default="", repr=False)
    worker_tokens: str = Field(default="", repr=False)
    cors_origins: str = ""
    http_allow_hosts: str = ""
    callback_secret: str = Field(default="", repr=False)
    rate_limit: str | None = Field(default=None, pattern="^[1-9][0-9]{0,8}(/[1-9][0-9]{0,4})?$")
    max_queue_depth: int | None = Field(default=None, ge=1)
    max_streams: int = Field(default=2_000, ge=1)
    worker_concurrency: int = Field(default=10, ge=1, le=10_000)
    worker_queues: str = "*"
    worker_handlers: str = ""
    commands_file: str | None = None
    priority_aging_seconds: Seconds | None = None
    worker_grace_seconds: Seconds = 25
    worker_dead_seconds: float = Field(default=10, ge=3)
    worker_health_file: str | None = None
    worker_child_tasks: int = Field(default=1_000, ge=1)
    worker_child_memory_mb: int | None = Field(default=None, ge=64)
    stop_grace_seconds: Seconds = 30
    reaper_interval_seconds: Seconds = 1
    retry_backoff_seconds: float = Field(default=1, ge=0)
    retry_backoff_max_seconds: float = Field(default=300, ge=0)
    files_url: str = Field(default=".local/files", min_length=1, repr=False)
    files_shared: bool = False
    files_max_mb: int = Field(default=30, ge=1, le=10_000)
    files_unused_days: float = Field(default=7, gt=0, le=3_650)
    runninghub_keys: str = Field(default="", repr=False)
    max_concurrent_tasks: int = Field(default=1, ge=1, le=1_000)
    task_timeout_minutes: int = Field(default=30, ge=1, le=10_000)
    status_check_interval: Seconds = 10
    retention_days: int = Field(default=30, ge=0, le=LONGEST_RETENTION_DAYS)
    retention_failed_days: int = Field(default=90, ge=0, le=LONGEST_RETENTION_DAYS)
    retention_export_url: str | None = None
    alert_urls: str = Field(default="", repr=False)
    alert_language: str = Field(default="en", pattern="^(en|zh)$")
    alert_failure_rate: float = Field(default=0.2, gt=0, le=1)
    alert_waiting_seconds: Seconds = 600
    alert_snapshot_seconds: Seconds = 600
    alert_repeat_minutes: Seconds = 60
    public_url: str | None = None
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    timezone: str = "UTC"
    log_format: str = Field(default="auto", pattern="^(auto|json|text)$")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @field_validator("database_url")
    @classmethod
    def _database_url_is_understood(cls, value: str) -> str:
        DatabaseAddress.parse(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_understood(cls, value: str | None) -> str | None:
        if value and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("it must begin with redis://, rediss:// or unix://")
        return value or None

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, value: str) -> str:
        zone_of(value)
        return value

    @field_validator("runninghub_keys")
    @classmethod
    def _runninghub_keys_are_understood(cls, value: str) -> str:
        keys.parse(value)
        return value

    @field_validator("alert_urls")
    @classmethod
    def _alert_urls_are_understood(cls, value: str) -> str:
        alert_urls.parse(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_an_address(cls, value: str | None) -> str | None:
        if value and not _PUBLIC_URL.fullmatch(value):
            raise ValueError("name it as others reach it, such as https://tasks.example.org")
        return value.removesuffix("/") if value else None

    @field_validator("client_tokens", "operator_tokens", "worker_tokens")
    @classmethod
    def _tokens_can_be_sent(cls, value: str) -> str:
        if not all(_TOKEN.fullmatch(token) for token in _parts(value)):
            raise ValueError("a token has visible ASCII characters only, and no comma")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_named(cls, value: str) -> str:
        if not all(_ORIGIN.fullmatch(origin) for origin in _parts(value)):
            raise ValueError("name each origin, such as https://example.org, without a path")
        return value

    @field_validator("http_allow_hosts")
    @classmethod
    def _hosts_are_understood(cls, value: str) -> str:
        Allowance.parse(value)
        return value

    @field_validator("callback_secret")
    @classmethod
    def _secrets_are_keys(cls, value: str) -> str:
        for secret in _parts(value):
            _key_of(secret)
        return value

    @model_validator(mode="after")
    def _no_token_has_two_roles(self) -> "Settings":
        given = [self.client_tokens, self.operator_tokens, self.worker_tokens]
        if len(self.tokens) < sum(len(set(_parts(tokens))) for tokens in given):
            raise ValueError(
                "CLIENT_TOKENS, OPERATOR_TOKENS and WORKER_TOKENS must not share a token"
            )
        return self

    @model_validator(mode="after")
    def _backoff_grows(self) -> "Settings":
        if self.retry_backoff_max_seconds < self.retry_backoff_seconds:
            raise ValueError(
                "RETRY_BACKOFF_MAX_SECONDS must not be less than RETRY_BACKOFF_SECONDS"
            )
        return self

    @property
    def database(self) -> DatabaseAddress:
        """Where the database is."""
        return DatabaseAddress.parse(self.database_url)

    @property
    def handler_modules(self) -> tuple[str, ...]:
        """Modules to import for their handlers, in the order named."""
        return _parts(self.worker_handlers)

    @property
    def tokens(self) -> Mapping[str, Actor]:
        """Which role each token has."""
        given = {
            Actor.CLIENT: self.client_tokens,
            Actor.OPERATOR: self.operator_tokens,
            Actor.WORKER: self.worker_tokens,
        }
        return {token: role for role, tokens in given.items() for token in _parts(tokens)}

    @property
    def hub_keys(self) -> tuple[HubKey, ...]:
        """Accounts of RunningHub, the one of the plain queue first."""
        return keys.parse(self.runninghub_keys)

    @property
    def alert_targets(self) -> tuple[AlertTarget, ...]:
        """Where alerts go."""
        return alert_urls.parse(self.alert_urls)

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may call the API from a browser."""
        return _parts(self.cors_origins)

    @property
    def allowance(self) -> Allowance:
        """Where requests that clients ask for may go, beside public addresses."""
        return Allowance.parse(self.http_allow_hosts)

    @property
    def callback_keys(self) -> tuple[bytes, ...]:
        """What callbacks are signed with: each with all, so that receivers can change theirs."""
        return tuple(map(_key_of, _parts(self.callback_secret)))

    @property
    def rate(self) -> Rate | None:
        """How much one token may ask for from one address; None: no limit."""
        if self.rate_limit is None:
            return None
        requests, _, seconds = self.rate_limit.partition("/")
        return Rate(int(requests), int(seconds or 1))

    @property
    def child_memory_bytes(self) -> int | None:
        """What a child process may use of its address space; None: no limit."""
        megabytes = self.worker_child_memory_mb
        return None if megabytes is None else megabytes * 1024 * 1024

    @property
    def bind_host(self) -> str:
        """Address that the API listens on: without tokens this machine only."""
        return self.host or ("0.0.0.0" if self.tokens else "127.0.0.1")  # noqa: S104  # guarded by tokens


def _parts(listed: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in listed.split(",") if part.strip())


def _key_of(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError("each one is whsec_ and 24 to 64 bytes in base64, separated by commas")
    return key


def host_name() -> str:
    """Return the name under which this machine appears in `workers`."""
    return socket.gethostname()[:255]


@cache
def settings() -> Settings:
    """Return the settings of this process, read at the first call.

    Raises SettingsError with one sentence for each variable that is missing or wrong.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the fields come from the environment
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(dict(item)) for item in error.errors())) from None


def _sentence(item: dict[str, object]) -> str:
    location = item["loc"]
    name = str(location[0]).upper() if isinstance(location, tuple) and location else ""
    if item["type"] == "missing":
        return f"{name} is not set"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
