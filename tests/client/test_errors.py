"""What the client raises, and what a person reads in it."""

import pickle
from typing import Any

import pytest

import rowlease
from rowlease import ApiError, Client, Fault, Invalid, RowleaseError, UnexpectedAnswer
from rowlease.errors import BY_STATUS, ConnectionFailed, WaitTimeout
from rowlease.reading import read
from rowlease.task_records import Task
from tests.client.answers import problem, task
from tests.client.scripted import Answer, ScriptedServer


@pytest.mark.parametrize("status", [*BY_STATUS, 418, 500, 502])
def test_every_refusal_has_its_class(scripted: ScriptedServer, status: int) -> None:
    scripted.will(problem(status, "why", current_state="DONE"))

    with pytest.raises(ApiError) as caught:
        Client(scripted.url).tasks.get(5)

    error = caught.value
    assert type(error) is BY_STATUS.get(status, ApiError)
    assert (error.status, error.code, error.detail) == (status, "why", "It is why.")
    assert error.problem["current_state"] == "DONE"
    assert str(error) == f"It is why. ({status} why)"


def test_all_faults_of_a_request_are_told(scripted: ScriptedServer) -> None:
    faults = [{"pointer": "/title", "detail": "a"}, {"pointer": "/queue", "detail": "b"}]
    scripted.will(problem(422, "invalid", detail="Not valid: /title: a", errors=faults))

    with pytest.raises(Invalid) as caught:
        Client(scripted.url).tasks.create(title="")

    assert caught.value.errors == (Fault("/title", "a"), Fault("/queue", "b"))
    assert str(caught.value) == "Not valid: /title: a (422 invalid)\n/queue: b"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(502, "<html>Bad Gateway</html>"), "{url} answered 502 Bad Gateway (502)"),
        (Answer(404, "[]"), "{url} answered 404 Not Found (404)"),
        (
            Answer(301, "", {"location": "https://rowlease.example/"}),
            "{url} answered 301 Moved Permanently, to https://rowlease.example/ (301)",
        ),
    ],
)
def test_what_stands_in_front_of_the_api_may_refuse_too(
    scripted: ScriptedServer, answer: Answer, sentence: str
) -> None:
    scripted.will(answer)

    with pytest.raises(ApiError) as caught:
        Client(scripted.url).tasks.get(5)

    assert str(caught.value) == sentence.format(url=scripted.url)
    assert caught.value.code is None


@pytest.mark.parametrize("errors", ["all wrong", [1, None], {"a": 1}, 5, None])
def test_a_problem_of_another_make_is_an_error_like_others(errors: Any) -> None:
    error = Invalid(400, {"title": "Bad", "code": 17, "errors": errors})

    assert (error.errors, str(error)) == ((), "Bad (400 17)")


@pytest.mark.parametrize("body", ["<html>", [], {}, "null", task(created_at="yesterday")])
def test_an_answer_that_is_no_task_is_named(scripted: ScriptedServer, body: Any) -> None:
    scripted.will(Answer(200, body))

    with pytest.raises(UnexpectedAnswer, match=f"GET {scripted.url}/tasks/5 .* is it Rowlease"):
        Client(scripted.url).tasks.get(5)


@pytest.mark.parametrize("body", ["<html>", {}, [{}], [5]])
def test_an_answer_that_is_no_list_is_named(scripted: ScriptedServer, body: Any) -> None:
    scripted.will(Answer(200, body))

    with pytest.raises(UnexpectedAnswer, match="is it Rowlease"):
        list(Client(scripted.url).tasks.list())


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("http://x", "broken"),
        WaitTimeout(read(Task, task()), 3),
        Invalid(422, {"code": "invalid", "errors": [{"pointer": "/a", "detail": "b"}]}, 1.0),
    ],
)
def test_errors_pass_between_processes(error: RowleaseError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again)) == (type(error), str(error))
    assert vars(again).keys() == vars(error).keys()


def test_all_errors_are_of_one_tree_and_offered() -> None:
    offered = [getattr(rowlease, name) for name in rowlease.__all__]
    errors = [each for each in offered if isinstance(each, type) and issubclass(each, Exception)]

    assert all(issubclass(each, RowleaseError) for each in errors)
    assert set(BY_STATUS.values()) <= set(errors)
