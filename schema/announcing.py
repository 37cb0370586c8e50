"""Change notices of the worker and the reaper."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from schema.runtime.changes import listen
from schema.runtime.settings import Settings


@contextmanager
def announced(settings: Settings, *engines: Engine) -> Iterator[None]:
    """Publish what transactions on the engines change, until the block ends.

    Does nothing without REDIS_URL; costs whoever commits no more than handing over the ids.
    """
    if settings.redis_url is None:
        yield
        return
    from schema.announcer import Announcer  # noqa: PLC0415  # redis-py takes its time to import

    announcer = Announcer(settings.redis_url, settings.database)
    for engine in engines:
        listen(engine, announcer.put)
    announcer.start()
    try:
        yield
    finally:
        announcer.close()
