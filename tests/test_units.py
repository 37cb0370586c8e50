"""docs/systemd runs what the Procfile runs."""

from configparser import RawConfigParser
from pathlib import Path

import pytest

from schema.runtime.settings import Settings
from tests.conftest import ROOT
from tools.up.procfile import read_procfile

UNITS = sorted((ROOT / "docs" / "systemd").iterdir())
PROCFILE = read_procfile(ROOT / "Procfile")
MOST_AFTER_GRACE = 5
"""Seconds within which a process ends when its grace is over, whatever hangs."""


def service(unit: Path) -> dict[str, str]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keeps capital letters
    parser.read(unit)
    return dict(parser["Service"])


def test_there_is_a_unit_for_each_process() -> None:
    assert {unit.stem.removeprefix("rowlease-").removesuffix("@") for unit in UNITS} == set(
        PROCFILE
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_the_line_of_the_procfile_and_waits_for_its_end(unit: Path) -> None:
    found = service(unit)
    name = unit.stem.removeprefix("rowlease-").removesuffix("@")

    assert found["ExecStart"] == f"/opt/rowlease/.venv/bin/{PROCFILE[name]}"
    if name != "release":
        grace = Settings.model_fields["worker_grace_seconds"].default
        assert int(found["TimeoutStopSec"]) > grace + MOST_AFTER_GRACE
        assert found["KillMode"] == "mixed"
        assert found["RestartPreventExitStatus"] == "2"
