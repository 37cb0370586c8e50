"""The ASGI application: `api.main:app`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api import (
    accounts,
    batch_creation,
    batches,
    description,
    dispatcher,
    documentation,
    events,
    file_problems,
    files,
    health,
    history,
    metrics,
    overview,
    queues,
    runninghub,
    schedule_problems,
    schedule_verbs,
    schedules,
    tags,
    tasks,
    verbs,
    why,
    work,
    workers,
)
from api.access import Access, require_declared
from api.callbacks import CallbackRules
from api.channels import open_channels
from api.counting import Counted
from api.creating import Creations
from api.database import open_database
from api.failures import Failures
from api.origins import shared
from api.paths import OnePath
from api.problems import HANDLERS
from api.rates import Rates
from api.ui import router as ui
from schema.endings import Backoff
from schema.runtime import tracing
from schema.runtime.files import FileStore
from schema.runtime.runninghub.keys import by_queue
from schema.runtime.settings import Settings, settings
from schema.version import VERSION
from schema.zones import zone_of


def build(read_settings: Callable[[], Settings]) -> FastAPI:
    """Return the application; the settings are read when it starts."""
    # Handed over as they are: routes of an included router are matched twice per request. What is
    # asked for most stands first: they are tried one after the other.
    routes = [
        *tasks.router.routes,
        *batch_creation.router.routes,
        *batches.router.routes,
        *verbs.router.routes,
        *history.router.routes,
        *events.router.routes,
        *why.router.routes,
        *schedules.router.routes,
        *schedule_verbs.router.routes,
        *accounts.router.routes,
        *accounts.operators.routes,
        *files.router.routes,
        *files.removal.routes,
        *tags.router.routes,
        *tags.operators.routes,
        *queues.router.routes,
        *dispatcher.router.routes,
        *workers.router.routes,
        *overview.router.routes,
        *work.router.routes,
        *runninghub.router.routes,
        *runninghub.open_router.routes,
        *health.router.routes,
        *metrics.router.routes,
    ]
    require_declared(routes)
    application = FastAPI(
        title="Rowlease",
        version=VERSION,
        lifespan=_lifespan(read_settings),
        routes=[*routes, *documentation.ROUTES, *ui.ROUTES],
        exception_handlers={
            **HANDLERS,
            **schedule_problems.HANDLERS,
            **file_problems.HANDLERS,
        },
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    description.describe(application)
    application.add_middleware(Counted)
    application.add_middleware(OnePath)
    application.add_middleware(Failures)
    return application


def _lifespan(
    read_settings: Callable[[], Settings],
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[dict[str, Any]]:
        chosen = read_settings()
        tracing.configure("web")
        application.state.files = FileStore(chosen.files_url)
        application.state.most_file_bytes = chosen.files_max_mb * 1024 * 1024
        async with open_database(chosen.database) as database:
            application.state.database = database
            access = Access(chosen.tokens, chosen.origins, chosen.rate)
            application.state.access = access
            if chosen.origins and application.middleware_stack is not None:
                application.middleware_stack = shared(application.middleware_stack, chosen.origins)
            application.state.max_queue_depth = chosen.max_queue_depth
            application.state.creations = Creations(database, chosen.max_queue_depth)
            application.state.callback_rules = CallbackRules(
                bool(chosen.callback_keys), chosen.allowance
            )
            application.state.hub_keys = by_queue(chosen.hub_keys)
            application.state.hook_rates = Rates(runninghub.HOOK_RATE)
            application.state.timezone = chosen.timezone
            application.state.zone = zone_of(chosen.timezone)
            application.state.backoff = Backoff(
                chosen.retry_backoff_seconds, chosen.retry_backoff_max_seconds
            )
            application.state.aging_seconds = chosen.priority_aging_seconds
            async with open_channels(chosen, database, access) as channels:
                application.state.cache = channels.cache
                application.state.hub = channels.hub
                yield {"end_streams": channels.hub.close}
        tracing.end()

    return lifespan


app = build(settings)
