"""The ASGI application: `api.main:app`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from fastapi import FastAPI

from api import documentation, health, tasks
from api.availability import Availability
from api.database import Database
from api.failures import Failures
from api.paths import OnePath
from api.problems import HANDLERS
from api.version import VERSION
from schema.runtime.engine import create_asyncio_engine
from schema.runtime.settings import Settings, settings

STARTUP_SECONDS = 2.0
"""How long the start waits to know the server; after that the requests are told."""


def build(read_settings: Callable[[], Settings]) -> FastAPI:
    """Return the application; the settings are read when it starts."""
    application = FastAPI(
        title="Rowlease",
        version=VERSION,
        lifespan=_lifespan(read_settings),
        # Handed over as they are: routes of an included router are matched twice per request.
        routes=[*tasks.router.routes, *health.router.routes, *documentation.ROUTES],
        exception_handlers=dict(HANDLERS),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    documentation.describe(application)
    application.add_middleware(OnePath)
    application.add_middleware(Failures)
    return application


def _lifespan(
    read_settings: Callable[[], Settings],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        address = read_settings().database
        writers = create_asyncio_engine(address)
        readers = create_asyncio_engine(address, autocommit=True)
        availability = Availability(writers)
        application.state.database = Database(readers, writers, availability)
        watch = asyncio.create_task(availability.watch())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(availability.known(), STARTUP_SECONDS)
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            await readers.dispose()
            await writers.dispose()

    return lifespan


app = build(settings)
