"""Every block of code of the pages is run, or says that it is an example."""

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest
import yaml  # type: ignore[import-untyped]
from sqlalchemy import Engine

from schema.runtime.settings import Settings
from tests.conftest import ROOT
from tests.documents.blocks import ALL, PAGES, Block, Command, commands_of
from tests.documents.curl import send
from tests.documents.scenes import SCENES

EXAMPLE = "An example"
"""The title of a block that no test runs."""

HERE = {"console", "json", "sh", "sql", "toml", "yaml"}
"""What this file runs or reads."""

ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("docs/autoscaling.md", "sql"): "tests/test_autoscaling.py",
    ("docs/callbacks.md", "python"): "tests/worker/test_callback_task.py",
    ("docs/client.md", "console"): "tests/client/test_manual.py",
    ("docs/client.md", "python"): "tests/client/test_manual.py",
    ("docs/files.md", "python"): "tests/worker/test_testing.py",
    ("docs/handlers.md", "python"): "tests/worker/test_testing.py",
    ("docs/operating.md", "sh"): "tests/test_restoring.py",
    ("docs/operating.md", "sql"): "tests/test_restoring.py",
    ("docs/quick-start.md", "console"): "tests/documents/test_quick_start.py",
    ("docs/quick-start.md", "python"): "tests/documents/test_quick_start.py",
    ("docs/sql.md", "sql"): "tests/test_sql_manual.py",
    ("docs/work-over-http.md", "python"): "tests/api/test_work_document.py",
    ("docs/work-over-http.md", "sh"): "tests/api/test_work_document.py",
    ("docs/zh-CN/quick-start.md", "console"): "tests/documents/test_quick_start.py",
    ("docs/zh-CN/quick-start.md", "python"): "tests/documents/test_quick_start.py",
}
"""Blocks that another file of tests runs as they stand on the page."""

RUN = [
    block
    for block in ALL
    if block.language in HERE
    and block.title != EXAMPLE
    and (block.page, block.language) not in ELSEWHERE
]

MAKEFILE = (ROOT / "Makefile").read_text()
ASSIGNMENT = re.compile(r"[A-Z_]+=\S+")


def name(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_fence_begins_with_a_language_and_at_most_a_title(page: Path) -> None:
    fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)
    known = [block for block in ALL if block.page == page.relative_to(ROOT).as_posix()]

    assert len(fences) == 2 * len(known)


@pytest.mark.parametrize("block", ALL, ids=name)
def test_a_block_is_run_or_says_that_it_is_an_example(block: Block) -> None:
    assert (
        block.language == "text"
        or block.title == EXAMPLE
        or block in RUN
        or (block.page, block.language) in ELSEWHERE
    ), f'run it in a test, or begin it with ```{block.language} title="{EXAMPLE}"'


def test_what_is_run_elsewhere_is_there_and_read_there() -> None:
    there = {(block.page, block.language) for block in ALL}

    assert ELSEWHERE.keys() <= there
    for (page, _), file in ELSEWHERE.items():
        assert Path(page).name in (ROOT / file).read_text(), f"{file} does not read {page}"


READ: Mapping[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}


def test_data_can_be_read() -> None:
    for block in RUN:
        if block.language in READ:
            assert READ[block.language](block.text), name(block)


def test_queries_run(engine: Engine) -> None:
    queries = [block.text for block in RUN if block.language == "sql"]
    with engine.connect() as connection:
        for query in queries:
            connection.exec_driver_sql(query.strip().removesuffix(";").replace("%", "%%")).all()


def commands(page: str) -> list[Command]:
    """Return what a page lets people type that is run here."""
    consoles = [block for block in RUN if (block.page, block.language) == (page, "console")]
    return [command for block in consoles for command in commands_of(block)]


CONSOLES = sorted({block.page for block in RUN if block.language == "console"})


@pytest.mark.parametrize("page", CONSOLES)
def test_the_requests_of_a_page_are_answered_as_it_shows(
    page: str, engine: Engine, client: httpx2.Client
) -> None:
    prepare = SCENES.get(Path(page).name)
    if prepare:
        prepare(engine, client)
    for command in commands(page):
        if not command.words.startswith("curl "):
            check(command.words)
            continue
        answer = send(client, command.words)
        refused = re.match(r'\{"status":(\d+)', command.shown)
        assert answer.status == int(refused[1]) if refused else answer.status < 400, answer
        assert answer.has(command.shown), (command, answer.text)


@pytest.mark.parametrize("block", [each for each in RUN if each.language == "sh"], ids=name)
def test_commands_are_there(block: Block) -> None:
    for line in block.text.replace("\\\n", " ").splitlines():
        check(line)


def check(line: str) -> None:
    """Fail unless a line is of a known form, and what it names is there."""
    words = shlex.split(line, comments=True)
    while words and ASSIGNMENT.fullmatch(words[0]):
        assert is_read_somewhere(words.pop(0).partition("=")[0]), line
    match words:
        case []:
            pass
        case ["make", target, *variables]:
            assert f"\n{target}: " in MAKEFILE, line
            for variable in variables:
                assert f"\n{variable.partition('=')[0]} ?=" in MAKEFILE, line
        case ["python" | ".venv/bin/python", "-m", module, *options]:
            assert options_of(module).issuperset(
                word for word in options if word.startswith("--")
            ), line
        case ["bash", script]:
            assert (ROOT / script).exists(), line
        case _:
            pytest.fail(f"nothing here knows how to run {line!r}")


def is_read_somewhere(variable: str) -> bool:
    if variable.lower() in Settings.model_fields:
        return True
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    return any(f'"{variable}"' in file.read_text() for file in files)


def options_of(module: str) -> set[str]:
    """Return the options that the sources of a module name."""
    found = find_spec(module)
    assert found is not None, module
    assert found.origin is not None, module
    origin = Path(found.origin)
    files = origin.parent.glob("*.py") if origin.name == "__init__.py" else [origin]
    return {word for file in files for word in re.findall(r"--[a-z][a-z-]*", file.read_text())}
