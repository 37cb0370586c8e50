"""What nobody thought of, thrown at the API by schemathesis: good data, bad data and sequences.

It keeps to openapi.json, and holds every answer against it. FUZZ_EXAMPLES=300 sends more to each
operation than the suite does, and other data each time.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.api.process import ROOT, ApiProcess, api_process

CONFIGURATION = ROOT / "tests" / "api" / "fuzzing.toml"


@pytest.fixture
def api(engine: Engine, database_url: str) -> Iterator[ApiProcess]:  # noqa: ARG001  # empties the tables
    tokens = {"OPERATOR_TOKENS": "operator", "WORKER_TOKENS": "worker"}
    with api_process(database_url, LOG_LEVEL="error", **tokens) as process:
        process.wait_until_up("/readyz")
        yield process


def test_whatever_comes_is_answered_as_openapi_json_says(api: ApiProcess) -> None:
    examples = os.environ.get("FUZZ_EXAMPLES")
    how = ["--max-examples", examples] if examples else ["--generation-deterministic"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)]
    address = f"{api.client.base_url}/openapi.json"

    done = subprocess.run(
        [*command, "run", address, "--no-color", *how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert api.end() == 0
    assert not api.stdout
