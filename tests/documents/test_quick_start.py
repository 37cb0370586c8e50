"""docs/quick-start.md does what it says, and the Chinese page says the same."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import ROOT
from tests.documents.blocks import Block, Command, blocks_of, commands_of
from tests.documents.curl import Answer, Asked, send
from tests.documents.test_blocks import EXAMPLE
from tests.processes import Start
from tests.waiting import wait_for
from worker import handlers

PAGE = "docs/quick-start.md"
CHINESE = "docs/zh-CN/quick-start.md"


def parts(page: str, language: str) -> list[Block]:
    return [
        block for block in blocks_of(page) if block.language == language and block.title != EXAMPLE
    ]


def commands(page: str) -> list[Command]:
    return [each for block in parts(page, "console") for each in commands_of(block)]


@pytest.fixture
def handler(tmp_path: Path) -> Path:
    """The handler of the page, in a file as the page names it."""
    (block, _) = parts(PAGE, "python")
    name = block.text.partition("\n")[0].removeprefix("# ")
    (tmp_path / name).write_text(block.text)
    return tmp_path / name


def test_its_requests_are_answered_as_it_shows(
    client: httpx2.Client, start: Start, handler: Path
) -> None:
    assert f"WORKER_HANDLERS={handler.stem} make up\n" in [each.text for each in parts(PAGE, "sh")]
    start("worker", WORKER_HANDLERS=handler.stem, PYTHONPATH=f"{handler.parent}:{ROOT}")
    start("reaper")

    for command in commands(PAGE):
        wait_for(lambda command=command: answered(client, command))  # type: ignore[misc]


def answered(client: httpx2.Client, command: Command) -> Answer | None:
    """Return the answer, None where it is not yet what is shown and may be asked for again."""
    answer = send(client, command.words)
    assert answer.status < 400, (command.words, answer.text)
    told = answer.has(command.shown) and values(command.shown) <= values(answer.text)
    if not told and Asked.of(command.words).method != "GET":
        pytest.fail(f"{command.words} was answered with {answer.text}")
    return answer if told else None


def values(text: str) -> set[str]:
    """Return the members that say what became of something."""
    return set(re.findall(r'"(?:status|result|title)":"[^"]*"', text))


def test_its_tests_pass(handler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(handler.parent)
    handlers.load([])  # what is built in stays when this test's are forgotten
    monkeypatch.setattr(handlers, "_registered", dict(handlers._registered))
    namespace: dict[str, Any] = {}
    exec(compile(parts(PAGE, "python")[1].text, PAGE, "exec"), namespace)

    tests = [each for name, each in namespace.items() if name.startswith("test_")]

    assert len(tests) == 2
    for test in tests:
        test()


def test_the_chinese_page_asks_for_the_same() -> None:
    def asked(page: str) -> list[object]:
        told = [Asked.of(command.words) for command in commands(page)]
        return [
            (each.method, each.path.partition("?")[0], sorted(json.loads(each.body or "{}")))
            for each in told
        ]

    def code(page: str) -> list[str]:
        texts = [block.text for block in parts(page, "python")]
        return [re.sub(r"  #.*", "", text) for text in texts]

    assert asked(CHINESE) == asked(PAGE)
    assert code(CHINESE) == code(PAGE)
    assert [each.text for each in parts(CHINESE, "sh")] == [each.text for each in parts(PAGE, "sh")]
