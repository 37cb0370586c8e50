"""Errors: their language, their ids, and what they keep to themselves."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient

from api import catalogue
from api.languages import preferred
from schema import listing
from tests.api.requests import faults, problem


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-TW", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.5, zh;q=0.7", "zh"),
        ("fr-FR, de;q=0.9", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=zero, en", "en"),
        ("*", "en"),
        (",;q=,,=;", "en"),
    ],
)
def test_the_language_is_the_one_preferred(header: str, language: str) -> None:
    assert preferred(header) == language


def test_problems_speak_the_language_of_the_client(client: TestClient) -> None:
    english = client.get("/nothing")
    chinese = client.get("/nothing", headers={"accept-language": "zh-CN"})

    assert english.json()["title"] == "Not found"
    assert chinese.json()["title"] == "未找到"
    assert english.json()["code"] == chinese.json()["code"]
    assert chinese.headers["content-language"] == "zh"
    assert "accept-language" in chinese.headers["vary"]


def test_faults_speak_the_language_of_the_client(client: TestClient) -> None:
    body = {"title": "", "status": "done", "retry_limit": 101}
    response = client.post("/tasks", json=body, headers={"accept-language": "zh"})

    assert faults(response) == {
        "/title": "至少需要 1 个字符",
        "/retry_limit": "不能大于 100",
        "/status": "任务状态由系统自动流转，客户端不能设置",
    }


def test_every_sentence_exists_in_both_languages_with_the_same_values() -> None:
    for sentences in (catalogue.TITLES, catalogue.DETAILS, catalogue.FAULTS):
        for english, chinese in sentences.values():
            assert _placeholders(english) == _placeholders(chinese)
            assert english.isascii()
            assert not chinese.isascii()


def test_a_request_keeps_its_id(client: TestClient) -> None:
    response = client.get("/livez", headers={"x-request-id": "from-the-proxy.1"})

    assert response.headers["x-request-id"] == "from-the-proxy.1"


@pytest.mark.parametrize("given", [None, "two words", "x" * 129, "Zeilen\tumbruch", ""])
def test_a_request_without_a_usable_id_gets_one(client: TestClient, given: str | None) -> None:
    headers = {} if given is None else {"x-request-id": given}

    made = client.get("/nothing", headers=headers).headers["x-request-id"]

    assert made
    assert made != given


class TestAnErrorNobodyForesaw:
    @pytest.fixture(autouse=True)
    def lines(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
        def fail(*_arguments: object, **_options: object) -> None:
            raise RuntimeError("SELECT secret FROM pymysql")

        monkeypatch.setattr(listing, "find", fail)
        with structlog.testing.capture_logs() as lines:
            yield lines

    def test_is_a_500_that_tells_nothing_but_the_id(self, client: TestClient) -> None:
        response = client.get("/tasks/1", headers={"x-request-id": "me-1"})

        assert "me-1" in problem(response, 500, "internal_error")["detail"]
        assert "secret" not in response.text

    def test_is_logged_with_its_traceback_under_the_id(
        self, client: TestClient, lines: list[Any]
    ) -> None:
        client.get("/tasks/1", headers={"x-request-id": "me-2"})

        (line,) = lines
        assert (line["log_level"], line["request_id"]) == ("error", "me-2")
        assert line["exc_info"]

    def test_does_not_reach_the_next_request(self, client: TestClient) -> None:
        client.get("/tasks/1")

        assert client.get("/livez").status_code == 200


def _placeholders(sentence: str) -> set[str]:
    return {part.partition("}")[0] for part in sentence.split("{")[1:]}
