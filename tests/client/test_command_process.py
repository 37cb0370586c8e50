"""`python -m rowlease`, as a process: its exit codes, and what it prints where."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import processes
from tests.client.answers import problem, task
from tests.client.scripted import Answer, ScriptedServer
from tests.conftest import ROOT
from tests.waiting import wait_for
from tools.servers.ports import LOOPBACK, free_port

NOWHERE = "http://elsewhere.invalid"


def run(url: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line against a server."""
    done = subprocess.run(
        [sys.executable, "-m", "rowlease", *arguments],
        cwd=ROOT,
        env=os.environ | {"ROWLEASE_URL": url} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def test_it_works_on_a_real_api(url: str) -> None:
    made = run(url, "tasks", "create", "--title", "标题", "--payload", "[1]", "--json")
    assert (made.returncode, made.stderr, json.loads(made.stdout)["payload"]) == (0, "", [1])

    listed = run(url, "tasks", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.endswith("标题\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["tasks", "dance"],
        ["tasks", "create", "--title", "a", "--payload", "{"],
        ["tasks", "list", "--limit", "0"],
        ["tasks", "list", "--url", "nowhere"],
        ["tasks", "list", "--token", "ключ"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    done = run(NOWHERE, *arguments)

    assert done.returncode == 2
    assert done.stderr


def test_what_the_api_refuses_is_exit_code_1(url: str) -> None:
    missing = run(url, "tasks", "show", "999")
    assert missing.returncode == 1
    assert missing.stderr == "rowlease: There is no task 999. (404 task_not_found)\n"

    invalid = run(url, "tasks", "create", "--title", "", "--queue", " ")
    assert invalid.returncode == 1
    assert "/title" in invalid.stderr
    assert "/queue" in invalid.stderr
    assert (missing.stdout, invalid.stdout) == ("", "")


def test_a_server_that_cannot_be_reached_is_exit_code_3() -> None:
    address = f"http://{LOOPBACK}:{free_port()}"

    done = run(NOWHERE, "--url", address, "tasks", "list")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"rowlease: no answer from {address}: ")


@pytest.mark.parametrize("body", ["<html>", {"id": 5}])
def test_a_server_that_is_another_one_is_named(scripted: ScriptedServer, body: object) -> None:
    scripted.will(Answer(200, body))

    done = run(scripted.url, "tasks", "show", "5")

    assert done.returncode == 1
    assert "is it Rowlease?" in done.stderr


def test_url_and_token_may_stand_behind_the_command(scripted: ScriptedServer) -> None:
    scripted.will(Answer(200, task()))

    where = ["--url", scripted.url, "--token", "mine"]
    run(NOWHERE, "tasks", "show", "5", *where, ROWLEASE_TOKEN="other")

    assert scripted.seen[0].headers["authorization"] == "Bearer mine"


def test_a_token_that_is_refused_is_told(scripted: ScriptedServer) -> None:
    scripted.will(problem(401, "token_unknown", detail="No such token."))

    done = run(scripted.url, "queues", "list")

    assert (done.returncode, done.stderr) == (1, "rowlease: No such token. (401 token_unknown)\n")


def test_no_encoding_of_a_terminal_is_in_the_way(scripted: ScriptedServer) -> None:
    scripted.will(Answer(200, task(title="标题")))

    done = run(scripted.url, "tasks", "show", "5", PYTHONIOENCODING="latin-1")

    assert done.returncode == 0
    assert r"\u6807\u9898" in done.stdout


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Lets processes hear SIGINT also where this one was started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_it_without_a_word(scripted: ScriptedServer, tmp_path: Path) -> None:
    scripted.will(Answer(200, task()))
    arguments = ["tasks", "wait", "5", "--url", scripted.url]
    waiting = processes.start(tmp_path, "rowlease", 0, *arguments)
    wait_for(lambda: scripted.seen)

    waiting.send(signal.SIGINT)

    assert waiting.wait() == 130
    assert waiting.errors.read_text() == ""
