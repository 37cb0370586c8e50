"""Being told to stop."""

import signal
import subprocess
import sys
import threading

import pytest

from schema.runtime.stopping import Stopping
from tests.conftest import ROOT
from tests.waiting import wait_for


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    """One that nobody told yet; the signals of the test's own process are left alone."""
    monkeypatch.setattr("signal.signal", lambda _number, _handler: None)
    one = Stopping()
    one.listen()
    return one


def test_the_second_signal_hurries(stopping: Stopping) -> None:
    stopping._on_signal(signal.SIGTERM, None)
    wait_for(stopping.asked.is_set)
    hurried_by_the_first = stopping.hurried.is_set()

    stopping._on_signal(signal.SIGINT, None)

    wait_for(stopping.hurried.is_set)
    assert not hurried_by_the_first


def test_a_signal_after_the_process_began_to_stop_by_itself_hurries(stopping: Stopping) -> None:
    stopping.asked.set()

    stopping._on_signal(signal.SIGTERM, None)

    wait_for(stopping.hurried.is_set)


def test_a_signal_that_comes_while_somebody_begins_to_wait_is_heard(stopping: Stopping) -> None:
    handler = threading.Thread(target=stopping._on_signal, args=(signal.SIGTERM, None), daemon=True)
    with stopping.asked._cond:  # type: ignore[attr-defined]  # what wait() holds when a signal interrupts it
        handler.start()
        handler.join(5)
        returned = not handler.is_alive()

    assert returned
    wait_for(stopping.asked.is_set)


UNHEARD = """
import os, signal, threading
from schema.runtime.stopping import Stopping
from tests.conftest import ROOT

stopping = Stopping()
stopping.listen()
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
stopping.wait_until_asked()
print("asked")
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_heard() -> None:
    run = subprocess.run(
        [sys.executable, "-c", UNHEARD], cwd=ROOT, capture_output=True, timeout=20, check=True
    )

    assert run.stdout == b"asked\n"
