"""The database against a model of it: any sequence of moves gives what the model says.

ROWLEASE_MODEL_RUNS and ROWLEASE_MODEL_STEPS say how many are tried, and how long they are;
--hypothesis-seed=N repeats them.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from tests.schema.machine import Machine

RUNS = int(os.environ.get("ROWLEASE_MODEL_RUNS", "50"))
STEPS = int(os.environ.get("ROWLEASE_MODEL_STEPS", "30"))


def test_any_sequence_of_moves_gives_what_the_model_says(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Machine, "engine", engine, raising=False)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
