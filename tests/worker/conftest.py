"""Where handlers of this process may send requests to."""

import os
from collections.abc import Iterator

import pytest

from schema.runtime.settings import settings
from tests.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver, which is open to handlers."""
    with receiving() as running:
        monkeypatch.setenv("HTTP_ALLOW_HOSTS", running.host)
        if "DATABASE_URL" not in os.environ:
            monkeypatch.setenv("DATABASE_URL", "mysql://127.0.0.1/none")
        settings.cache_clear()
        yield running
        settings.cache_clear()
