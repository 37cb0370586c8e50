"""The handler "command": what may be run, how, and that nothing is left of it."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from schema.runtime.settings import SettingsError
from tests.conftest import ROOT
from tests.processes import Start
from tests.rows import attempts, make, row
from tests.waiting import wait_for
from worker import command_file
from worker.command_file import Command, Parameter, ParameterError, read
from worker.testing import Failed, Performance, perform

SH = "/bin/sh"

Run = Callable[..., Performance]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a COMMANDS_FILE and returns where it is."""

    def write_file(text: str) -> Path:
        path = tmp_path / "commands.toml"
        path.write_text(text)
        return path

    return write_file


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Performs one command, given by its fields."""

    def run_one(
        given: Mapping[str, Any] | None = None, /, *, seconds: int = 30, **fields: Any
    ) -> Performance:
        one = Command(**fields)
        monkeypatch.setattr("worker.command.commands", lambda: {"one": one})
        payload = {"name": "one", "parameters": dict(given or {})}
        return perform("command", payload, timeout_seconds=seconds)

    return run_one


def script(text: str, **fields: Any) -> dict[str, Any]:
    """Return a command that runs a script of the shell: for what it starts, not how."""
    return {"argv": [SH, "-c", text], **fields}


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Callable[[int], list[int]]]:
    """Waits until so many processes have written their numbers into the file `pids`."""
    path = tmp_path / "pids"

    def known() -> list[int]:
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    yield lambda count: wait_for(lambda: known() if len(known()) >= count else [])
    for pid in known():
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_command_gives_its_outputs(run: Run) -> None:
    done = run(**script("echo out; echo err >&2"))

    assert done.result == {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}


def test_parameters_stand_where_the_file_says_and_no_shell_reads_them(run: Run) -> None:
    sent = "$(touch /tmp/x); `id` 'a' \"b\" * \n ; rm -rf"
    argv = ["printf", "%s|", "{text}", "n={count}", "{{text}}", "{yes}/{ratio}"]
    parameters = {
        "text": Parameter(type="string"),
        "count": Parameter(type="integer"),
        "yes": Parameter(type="boolean"),
        "ratio": Parameter(type="number"),
    }

    done = run(
        {"text": sent, "count": -3, "yes": True, "ratio": 0.5}, argv=argv, parameters=parameters
    )

    assert done.result["stdout"] == f"{sent}|n=-3|{{text}}|true/0.5|"


def test_an_option_does_not_hide_behind_a_parameter_that_is_empty(run: Run) -> None:
    argv = ["echo", "{prefix}{name}"]
    parameters = {"prefix": Parameter(type="string"), "name": Parameter(type="string")}

    done = run({"prefix": "", "name": "--exec=x"}, argv=argv, parameters=parameters)

    assert "name must not begin with -" in str(done)


@pytest.mark.parametrize(
    ("type_", "pattern", "value", "why"),
    [
        ("string", "[a-z]+", "abc1", "p does not match"),
        ("string", "[a-z]+", "abc\n", "p does not match"),
        ("string", None, 5, "p must be of type string"),
        ("string", None, "a\0b", "NUL"),
        ("string", None, "x" * 5_000, "longer than 4096"),
        ("string", None, "-rf", "p must not begin with -"),
        ("string", ".*", "--output=/etc/passwd", "p must not begin with -"),
        ("string", None, None, "p must be of type string"),
        ("string", None, {"file": "x"}, "p must be of type string"),
        ("integer", None, "5", "p must be of type integer"),
        ("integer", None, 5.0, "p must be of type integer"),
        ("integer", None, True, "p must be of type integer"),
        ("integer", "[1-9]", 12, "p does not match"),
        ("number", None, False, "p must be of type number"),
        ("boolean", None, 1, "p must be of type boolean"),
    ],
)
def test_a_parameter_that_does_not_fit_fails_for_good(
    run: Run, type_: Any, pattern: str | None, value: Any, why: str
) -> None:
    parameters = {"p": Parameter(type=type_, pattern=pattern)}

    done = run({"p": value}, argv=["echo", "{p}"], parameters=parameters)

    assert done.outcome == Failed(done.failure, for_good=True)
    assert why in done.failure.message


def test_behind_two_dashes_and_inside_an_argument_a_dash_is_only_a_dash(run: Run) -> None:
    parameters = {"p": Parameter(type="string")}

    for argv in (["printf", "--", "{p}"], ["printf", "%s", "x{p}"]):
        assert "-n" in run({"p": "-n"}, argv=argv, parameters=parameters).result["stdout"]


@pytest.mark.parametrize(
    ("given", "why"), [({}, "p is missing"), ({"p": "x", "q": 1}, "there is no parameter q")]
)
def test_unknown_and_missing_parameters_fail_for_good(
    run: Run, given: dict[str, Any], why: str
) -> None:
    done = run(given, argv=["echo", "{p}"], parameters={"p": Parameter(type="string")})

    assert done.outcome == Failed(done.failure, for_good=True)
    assert why in done.failure.message


def test_what_the_file_does_not_name_is_not_run(run: Run) -> None:
    run(**script("true"))

    unknown = perform("command", {"name": "rm"})
    assert unknown.outcome == Failed(unknown.failure, for_good=True)
    assert "no command 'rm'; it has one" in unknown.failure.message
    for payload in ({}, {"name": "one", "argv": ["id"]}, {"name": "one", "parameters": None}):
        assert perform("command", payload).failure.error_class == "PayloadError"


def test_without_a_file_a_task_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.command.commands", lambda: None)

    done = perform("command", {"name": "x"})

    assert done.outcome == Failed(done.failure, for_good=True)
    assert "set COMMANDS_FILE" in done.failure.message


def test_an_exit_code_fails_the_attempt_and_tells_the_end_of_the_output(run: Run) -> None:
    done = run(**script("echo out; seq 10000 >&2; echo 'no space left' >&2; exit 3"))

    assert done.outcome == Failed(done.failure)
    assert done.failure.message.startswith("one: exit code 3: ")
    assert done.failure.message.endswith("9999\n10000\nno space left")
    quiet = run(**script("echo only this; kill -SEGV $$"))
    assert quiet.failure.message == "one: ended by SIGSEGV: only this"


def test_only_the_end_of_a_long_output_is_kept(run: Run) -> None:
    done = run(**script("seq 100000; echo end; printf '\\377' >&2"))

    cut, _, kept = done.result["stdout"].partition("\n")
    assert cut == "[523363 bytes before this are cut]"
    assert kept.endswith("99999\n100000\nend\n")
    assert len(kept) == 65_536
    assert done.result["stderr"] == "\ufffd"


def test_lines_tell_progress(run: Run) -> None:
    lines = ["progress: 40% half way", "progress: 5.5 %", "  progress:100%  图 ", "x progress: 1%"]

    done = run(**script("\n".join(f"echo '{line}'" for line in [*lines, "progress: 140%"])))

    told = [(each.percent, each.message) for each in done.progress]
    assert told == [(40, "half way"), (5.5, None), (100, "图"), (100, None)]
    assert done.result["stdout"].startswith("progress: 40% half way\n")


def test_progress_is_told_while_the_command_runs(run: Run) -> None:
    slow = "printf 'prog'; sleep 0.1; echo 'ress: 40% a'; head -c 100000 /dev/zero; echo; sleep 9"

    done = run(**script(slow), seconds=1)

    assert done.word == "timed_out"
    assert [(each.percent, each.message) for each in done.progress] == [(40, "a")]


def test_a_command_gets_only_the_environment_that_it_is_given(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "1")

    assert run(argv=["env"]).result["stdout"] == ""
    assert run(argv=["env"], env={"A": "b c"}).result["stdout"] == "A=b c\n"


def test_a_command_reads_nothing_and_has_ordinary_signals(run: Run) -> None:
    assert run(argv=["cat"]).result["stdout"] == ""
    told = run(argv=["grep", "SigIgn", "/proc/self/status"]).result["stdout"]
    ignored = int(told.split()[1], 16)
    # The C library keeps two for itself, which nobody can reset: 32 and 33.
    assert [each for each in signal.valid_signals() if ignored >> (each - 1) & 1] == []


def test_a_command_runs_in_its_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\npwd\n")
    (tmp_path / "tool").chmod(0o755)

    done = run(argv=["./tool"], cwd=str(tmp_path))

    assert done.result["stdout"].strip() == str(tmp_path)


def test_a_command_has_its_memory_limit_from_its_first_moment(run: Run) -> None:
    limits = run(**script("ulimit -v; (ulimit -v)", memory_mb=256)).result["stdout"]
    hungry = run(argv=["dd", "if=/dev/zero", "of=/dev/null", "bs=512M", "count=1"], memory_mb=64)

    assert limits.split() == [str(256 * 1024)] * 2
    assert "exit code 1" in hungry.failure.message
    assert "memory" in hungry.failure.message


def test_at_the_deadline_all_that_a_command_started_is_ended(
    run: Run, tmp_path: Path, pids: Callable[[int], list[int]]
) -> None:
    stubborn = "trap '' TERM; echo $$ >> pids; (sleep 60 & echo $! >> pids; wait) & wait"
    began = time.monotonic()

    done = run(**script(stubborn, cwd=str(tmp_path)), seconds=1)

    assert done.word == "timed_out"
    assert time.monotonic() - began < 4
    wait_for(lambda: not any(lives(pid) for pid in pids(2)), seconds=3)


def test_a_command_may_clean_up_when_it_is_ended(run: Run, tmp_path: Path) -> None:
    careful = "trap 'echo cleaned > mark; exit' TERM; sleep 60 & wait"

    assert run(**script(careful, cwd=str(tmp_path)), seconds=1).word == "timed_out"

    assert (tmp_path / "mark").read_text() == "cleaned\n"


def test_what_a_command_leaves_behind_ends_with_it(
    run: Run, tmp_path: Path, pids: Callable[[int], list[int]]
) -> None:
    done = run(**script("sleep 60 & echo $! > pids; echo done", cwd=str(tmp_path)))

    assert done.result["stdout"] == "done\n"
    wait_for(lambda: not any(lives(pid) for pid in pids(1)), seconds=3)


def test_an_output_that_somebody_else_holds_open_is_not_waited_for(
    run: Run, tmp_path: Path, pids: Callable[[int], list[int]]
) -> None:
    began = time.monotonic()
    away = "setsid sleep 60 & echo $! > pids; sleep 0.2; echo done"

    done = run(**script(away, cwd=str(tmp_path), env={"PATH": os.environ["PATH"]}))

    assert done.result["stdout"] == "done\n"
    assert time.monotonic() - began < 5
    pids(1)


COMMANDS = """
[commands.nap]
argv = ["/bin/sh", "-c", "echo $$ >> pids; sleep 60 & echo $! >> pids; wait"]
cwd = "{folder}"

[commands.greet]
argv = ["echo", "hello", "{{name}}"]
[commands.greet.parameters.name]
type = "string"
pattern = "[A-Za-z]+"
"""


def test_a_worker_runs_commands_and_leaves_none_behind(
    engine: Engine,
    start: Start,
    write: Callable[[str], Path],
    tmp_path: Path,
    pids: Callable[[int], list[int]],
) -> None:
    path = write(COMMANDS.format(folder=tmp_path))
    greet = {"name": "greet", "parameters": {"name": "Rowlease"}}
    [greeting] = make(engine, task_type="command", payload=greet)
    [nap] = make(engine, task_type="command", payload={"name": "nap"})
    worker = start("worker", COMMANDS_FILE=str(path), WORKER_GRACE_SECONDS="0.2")
    running = pids(2)
    wait_for(lambda: row(engine, greeting)["status"] == "done")

    assert worker.stop() == 0

    assert not any(lives(pid) for pid in running)
    assert b"hello Rowlease" in bytes(attempts(engine, greeting)[0]["result"], "utf-8")
    assert attempts(engine, nap)[0]["outcome"] == "released"


def test_a_command_ends_with_a_worker_that_is_killed(
    engine: Engine,
    start: Start,
    write: Callable[[str], Path],
    tmp_path: Path,
    pids: Callable[[int], list[int]],
) -> None:
    path = write(COMMANDS.format(folder=tmp_path))
    make(engine, task_type="command", payload={"name": "nap"})
    worker = start("worker", COMMANDS_FILE=str(path))
    leader, _ = pids(2)

    worker.kill()

    wait_for(lambda: not lives(leader))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("commands", "is not TOML"),
        ("[commands.x]", "commands.x.argv: Field required"),
        ("[commands.x]\nargv = []", "commands.x.argv: List should have at least 1 item"),
        ("[commands.x]\nargv = 'ls -l'", "commands.x.argv: Input should be a valid list"),
        ("[commands.x]\nargv = ['ls']\nshell = true", "commands.x.shell: Extra inputs"),
        ("[commands.x]\nargv = ['no-such-tool']", "there is no program no-such-tool"),
        ("[commands.x]\nargv = ['/etc/passwd']", "there is no program /etc/passwd"),
        ("[commands.x]\nargv = ['ls', '{p}']", "argv has {p}, which is no parameter"),
        ("[commands.x]\nargv = ['ls']\nparameters.p.type = 'string'", "argv has no {p}"),
        (
            "[commands.x]\nargv = ['{p}']\nparameters.p.type = 'string'",
            "the program itself cannot be a parameter",
        ),
        (
            "[commands.x]\nargv = ['ls', '{p}']\nparameters.p = {type = 'string', pattern = '('}",
            "the pattern cannot be read",
        ),
        (
            "[commands.x]\nargv = ['ls', '{p}']\nparameters.p.type = 'path'",
            "commands.x.parameters.p.type: Input should be 'string', 'integer'",
        ),
        ("[commands.x]\nargv = ['ls']\ncwd = 'here'", "cwd must be the whole path of a folder"),
        ("[commands.x]\nargv = ['ls']\nmemory_mb = 0", "commands.x.memory_mb"),
        ("[commands.x]\nargv = ['ls']\nenv = {A = 1}", "commands.x.env.A"),
        ("[other]", "commands: Field required"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    write: Callable[[str], Path], text: str, why: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(write(text))

    assert str(caught.value).startswith("COMMANDS_FILE: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_worker_with_a_bad_file_does_not_start(
    start: Start, write: Callable[[str], Path], tmp_path: Path
) -> None:
    for path in (write("[commands.x]\nargv = ['no-such-tool']"), tmp_path / "missing.toml"):
        worker = start("worker", COMMANDS_FILE=str(path))

        assert worker.wait() == 2
        told = worker.errors.read_text()
        assert told.startswith("worker: COMMANDS_FILE: ")
        assert told.count("\n") == 1


def test_the_file_of_the_manual_can_be_read(write: Callable[[str], Path], tmp_path: Path) -> None:
    manual = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    _, text, _ = re.split("^```(?:toml)?$", manual, maxsplit=2, flags=re.MULTILINE)
    known = text.replace('"convert"', '"echo"').replace("/srv/pictures", str(tmp_path))

    thumbnail = read(write(known))["thumbnail"]

    given = {"source": "logo.png", "target": "logo.webp", "width": 200}
    assert thumbnail.arguments(given)[1:] == ["--", "logo.png", "-resize", "200x", "logo.webp"]
    with pytest.raises(ParameterError, match="source does not match"):
        thumbnail.arguments(given | {"source": "../logo.png"})


def test_parameters_are_checked_without_running_anything() -> None:
    command = Command(argv=["echo", "{p}"], parameters={"p": Parameter(type="integer")})

    assert command.arguments({"p": 7}) == ["echo", "7"]
    with pytest.raises(ParameterError, match="p is missing"):
        command.arguments({})
    assert command_file.LONGEST_VALUE == 4_096
