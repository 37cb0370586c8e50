"""`--check`: whether a worker could work here, and what it would run."""

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from schema import grants, server
from schema.findings import DOUBT, FAULT, OK, Finding, tell
from schema.queue_choice import QueueChoice, QueueChoiceError
from schema.runtime.engine import create_thread_engine
from schema.runtime.errors import DENIED, error_code
from schema.runtime.files import FileStore, StoreError
from schema.runtime.settings import Settings, SettingsError
from worker import command_file, handlers
from worker.handlers import Handler, HandlerError


def check(read_settings: Callable[[], Settings]) -> int:
    """Print each finding and return the exit code: 1 when there is a fault."""
    return tell(findings(read_settings))


def findings(read_settings: Callable[[], Settings]) -> Iterator[Finding]:
    """Yield what is found; without settings there is nothing else to look at."""
    try:
        settings = read_settings()
    except SettingsError as error:
        yield _fault("settings", error)
        return
    yield Finding("settings", f"{settings.worker_concurrency} slots")
    yield from _queues(settings)
    yield from _handlers(settings)
    yield from _commands()
    yield _files(settings)
    engine = create_thread_engine(settings.database)
    yield from _database(engine, settings)
    engine.dispose()


def _queues(settings: Settings) -> Iterator[Finding]:
    try:
        QueueChoice.parse(settings.worker_queues)
    except QueueChoiceError as error:
        yield _fault("queues", error)
    else:
        yield Finding("queues", settings.worker_queues)


def _handlers(settings: Settings) -> Iterator[Finding]:
    try:
        registry: Mapping[str, Handler] = handlers.load(settings.handler_modules)
    except HandlerError as error:
        yield _fault("handlers", error)
        return
    for module in handlers.without_handlers(settings.handler_modules):
        yield Finding("handlers", f"the module {module} registers no handler", DOUBT)
    for task_type, handler in sorted(registry.items()):
        model = f", payload {handler.model.__qualname__}" if handler.model else ""
        name = handlers.name_of(handler.function)
        yield Finding("handler", f"{task_type}: {handler.kind}, {name}{model}")


def _commands() -> Iterator[Finding]:
    try:
        allowed = command_file.commands()
    except SettingsError as error:
        yield _fault("commands", error)
        return
    if allowed is not None:
        yield Finding("commands", ", ".join(sorted(allowed)) or "none")


def _files(settings: Settings) -> Finding:
    try:
        store = FileStore(settings.files_url)
        store.require_usable()
    except (SettingsError, StoreError) as error:
        return _fault("files", error)
    is_seen = store.is_shared or settings.files_shared
    unseen = "" if is_seen else ", which other machines do not see"
    return Finding("files", f"{store}{unseen}", OK if is_seen else DOUBT)


def _database(engine: Engine, settings: Settings) -> Iterator[Finding]:
    where = settings.database.place
    try:
        yield Finding("database", f"{server.check(engine)} at {where}")
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what was to be found
        yield _fault("database", error, where)
        if error_code(error) not in DENIED:
            return
    try:
        yield from _grants(engine)
    except DBAPIError as error:
        yield _fault("grants", error)


def _grants(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        user = connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one()
        refused = list(grants.refused(connection, grants.WORKER))
    for table, privilege in refused:
        yield Finding("grants", f"{user} lacks {privilege} on {table}", FAULT)
    if not refused:
        yield Finding("grants", f"{user} may do what a worker does")


def _fault(about: str, error: Exception, where: str = "") -> Finding:
    """Return the finding of an error: of a driver's, the server's own words."""
    arguments = getattr(getattr(error, "orig", None), "args", ())
    text = str(arguments[-1]) if arguments else str(error)
    return Finding(about, f"{where}: {text}" if where else text, FAULT)
