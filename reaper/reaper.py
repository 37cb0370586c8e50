"""The reaper: its chores, each run by APScheduler at its interval."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine

from reaper import files
from reaper.alerting import ALERTING_SECONDS, Alerting
from reaper.answers import PRUNE_SECONDS, prune_answers
from reaper.batches import carry_on
from reaper.burial import Burial
from reaper.counting import Counting
from reaper.firing import FIRING_SECONDS, fire
from reaper.pruning import FIRST_AFTER_SECONDS, PRUNING_SECONDS, Pruning
from reaper.resuming import resume
from reaper.stops import Stops
from reaper.sweep import sweep
from reaper.watch import WATCH_SECONDS, Watch
from schema.endings import Backoff
from schema.retention import Keep
from schema.runtime import metrics
from schema.runtime.files import open_store
from schema.runtime.logging import get_logger
from schema.runtime.outage import Outage
from schema.runtime.settings import Settings
from schema.runtime.stopping import Stopping

log = get_logger(__name__)

EXIT_SECONDS = 8.0
"""How long a chore under way may hold up the end, which is promised within ten seconds."""

Chore = Callable[[], None]


class Reaper:
    """Runs its chores until it is asked to stop. Any number of reapers may run at once."""

    def __init__(self, engine: Engine, settings: Settings, stopping: Stopping) -> None:
        self._stopping = stopping
        # A chore that is late runs once and at once: by default APScheduler drops it.
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        backoff = Backoff(settings.retry_backoff_seconds, settings.retry_backoff_max_seconds)
        seconds = settings.reaper_interval_seconds
        self._every(seconds, "sweeping", lambda: sweep(engine, backoff))
        self._every(seconds, "burying", Burial(engine, backoff, settings.worker_dead_seconds))
        self._every(seconds, "stopping", Stops(engine, backoff, settings.stop_grace_seconds))
        self._every(seconds, "resuming queues", lambda: resume(engine))
        self._every(seconds, "carrying on batches", lambda: carry_on(engine, stopping))
        self._every(min(seconds, FIRING_SECONDS), "firing schedules", lambda: fire(engine))
        self._every(seconds, "counting tasks", Counting(engine))
        self._every(WATCH_SECONDS, "watching the purge", Watch(engine))
        self._alerting = Alerting(engine, settings) if settings.alert_targets else None
        if self._alerting is not None:
            now = datetime.now(UTC)  # before others mend what tells that no reaper ran
            self._every(ALERTING_SECONDS, "alerting", self._alerting, first=now)
        self._every(PRUNE_SECONDS, "pruning answers", lambda: prune_answers(engine))
        store, days = open_store(settings), settings.files_unused_days
        self._every(
            files.PRUNE_SECONDS, "pruning files", lambda: files.prune_files(engine, store, days)
        )
        keep = Keep(settings.retention_days, settings.retention_failed_days)
        pruning = Pruning(engine, keep, stopping.asked, settings.retention_export_url)
        first = datetime.now(UTC) + timedelta(seconds=FIRST_AFTER_SECONDS)
        self._every(PRUNING_SECONDS, "pruning tasks", pruning, first=first)

    def run(self) -> None:
        """Run the chores until asked to stop; one under way is let finish, within EXIT_SECONDS."""
        self._scheduler.start()
        log.info("reaper started")
        self._stopping.wait_until_asked()
        hurry = threading.Timer(EXIT_SECONDS, _leave)
        hurry.daemon = True
        hurry.start()
        self._scheduler.shutdown(wait=True)
        if self._alerting is not None:
            _guarded(self._alerting.leave, Outage("alerting"))()
        hurry.cancel()
        log.info("reaper stopped")

    def _every(
        self, seconds: float, doing: str, chore: Chore, *, first: datetime | None = None
    ) -> None:
        """Run a chore at this interval; for the first time at `first`, or when one is over."""
        guarded = _guarded(chore, Outage(doing))
        when = {"next_run_time": first} if first else {}
        self._scheduler.add_job(guarded, "interval", seconds=seconds, id=doing, **when)


def _leave() -> None:
    """End with chores under way: the server rolls back what they did not commit."""
    log.warning("reaper stopped with chores under way", seconds=EXIT_SECONDS)
    os._exit(0)


def _guarded(chore: Chore, outage: Outage) -> Chore:
    """Return the chore with its errors logged: it runs again at the next interval."""

    def run() -> None:
        try:
            with metrics.chore(outage.doing):
                chore()
        except Exception as error:  # noqa: BLE001  # one chore must not end the others
            try:
                outage.wait_after(error)
            except Exception:
                log.exception("chore failed", chore=outage.doing)
        else:
            outage.over()

    return run
