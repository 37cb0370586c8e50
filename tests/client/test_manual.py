"""What docs/client.md shows works as it stands."""

import re
import shlex
from typing import Any

import pytest
from typer.testing import CliRunner

from rowlease import Client
from rowlease.command_line.main import app
from tests.conftest import ROOT
from tests.processes import Start

DOCUMENT = ROOT / "docs" / "client.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ rowlease (.*)$", TEXT, re.MULTILINE)


@pytest.fixture
def worker(url: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker, and the API where a client looks for it."""
    monkeypatch.setenv("ROWLEASE_URL", url)
    start("worker")


@pytest.mark.usefixtures("worker")
def test_the_blocks_of_the_manual_run(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, str(DOCUMENT), "exec"), namespace)

    assert sorted(namespace["titles"]) == ["logo", "page 0", "page 1", "page 2"]
    assert [task.title for task in namespace["latest"]] == ["report"]
    assert namespace["names"] == ["default"]
    assert namespace["stopped"].requested == 100
    printed = capsys.readouterr().out
    assert printed.startswith("done None\n")
    assert "is PENDING: start is not allowed now. (409 state_forbids)" in printed
    assert "'/retry_limit'" in printed


@pytest.mark.usefixtures("worker")
def test_the_commands_of_the_manual_run() -> None:
    runner = CliRunner()
    shown = []
    for command in COMMANDS:
        with Client() as client:
            made = next(client.tasks.list(), None)
        known = command.replace(" 17", f" {made.id}" if made else "")
        result = runner.invoke(app, shlex.split(known))
        assert (result.exit_code, result.stderr) == (0, ""), command
        shown.append(result.stdout)

    assert len(shown) == 12
    assert "logo" in shown[0]
