"""What there is before the requests of a page are sent: its numbers mean something there."""

from collections.abc import Callable, Mapping

import httpx2
from sqlalchemy import Engine

from schema.runtime.transactions import transaction
from schema.states import Verb
from schema.verbs import Order, apply
from tests.rows import claim, make, succeed

COUNTED = ("tasks", "schedules", "files", "batches")


def number_from(engine: Engine, first: int, table: str = "tasks") -> None:
    """Let the next row of an empty table have this id."""
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} AUTO_INCREMENT = {first}")


def _stop(engine: Engine, *task_ids: int) -> None:
    with transaction(engine) as connection:
        apply(connection, Order(Verb.STOP, "somebody"), task_ids)


def _announced(engine: Engine, _: httpx2.Client) -> None:
    """Task 7 has ended, and 8, which tells of it, was given up."""
    number_from(engine, 7)
    _stop(engine, *make(engine, callback_url="https://shop.example.org/rowlease"))
    _stop(engine, 8)


def _five_done(engine: Engine, _: httpx2.Client) -> None:
    """Task 5 is done."""
    number_from(engine, 5)
    make(engine)
    succeed(engine, *claim(engine))


def _ended(engine: Engine, _: httpx2.Client) -> None:
    """Task 17 has ended."""
    number_from(engine, 17)
    _stop(engine, *make(engine))


def _to_resize(engine: Engine, client: httpx2.Client) -> None:
    """Task 7 waits for a worker over HTTP, and file 1 is there."""
    number_from(engine, 7)
    assert client.post("/files", files={"file": ("logo.png", b"a logo")}).status_code == 201
    make(engine, queue="images", task_type="resize", payload={"url": "https://example.org/a.png"})


def _running(engine: Engine, _: httpx2.Client) -> None:
    """One task runs."""
    make(engine)
    claim(engine)


SCENES: Mapping[str, Callable[[Engine, httpx2.Client], None]] = {
    "callbacks.md": _announced,
    "http.md": _five_done,
    "live.md": _ended,
    "queues.md": _running,
    "work-over-http.md": _to_resize,
}
"""By the page's name, in both languages."""
