"""Alerting: tells by ALERT_URLS what is wrong, once, and that it is over."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from sqlalchemy import Engine

from reaper.alert_words import speaker
from reaper.posting import Message, Post, cut
from schema import alerts
from schema.alerts import Alert, Thresholds
from schema.runtime.logging import get_logger
from schema.runtime.settings import Settings, host_name
from schema.runtime.transactions import run
from schema.zones import zone_of

log = get_logger(__name__)

ALERTING_SECONDS = 15.0
"""How often it is looked: so a webhook gets four messages a minute at most."""

MOST_LINES = 20


class Alerting:
    """A chore. Any number of reapers may do it; what one has told, the others do not."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._reaper = f"{host_name()}:{os.getpid()}:{os.urandom(3).hex()}"
        self._limits = Thresholds(
            failure_rate=settings.alert_failure_rate,
            waiting_seconds=settings.alert_waiting_seconds,
            snapshot_seconds=settings.alert_snapshot_seconds,
            repeat_seconds=settings.alert_repeat_minutes * 60,
        )
        self._where = settings.public_url or host_name()
        self._say = speaker(settings.alert_language, zone_of(settings.timezone))
        self._posts = [Post(target) for target in settings.alert_targets]

    def __call__(self) -> None:
        """Look, and send what is to be told; and what was not taken the last time."""
        look = partial(alerts.look, reaper=self._reaper, limits=self._limits)
        try:
            if news := run(self._engine, look):
                message = self._message(news)
                for post in self._posts:
                    post.put(message)
        finally:
            for post in self._posts:
                post.send()

    def leave(self) -> None:
        """Say that this reaper ends in order, so that no other one misses it."""
        run(self._engine, partial(alerts.leave, reaper=self._reaper))

    def _message(self, news: Sequence[Alert]) -> Message:
        told = [{**asdict(each), "text": self._say(each)} for each in news]
        lines = [f"{'✓' if each['is_over'] else '!'} {each['text']}" for each in told]
        more = [f"+ {len(lines) - MOST_LINES}"] if len(lines) > MOST_LINES else []
        text = cut("\n".join([f"Rowlease {self._where}", *lines[:MOST_LINES], *more]))
        return Message(text, {"where": self._where, "alerts": told})
