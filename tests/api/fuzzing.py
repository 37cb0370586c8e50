"""What tests/api/fuzzing.toml adds to schemathesis: our checks, and what it may not send."""

import re
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

from api.catalogue import DETAILS, FAULTS
from schema.fields import MAX_ID

LEAKS = re.compile(r"Traceback|SELECT |INSERT |UPDATE |pymysql|asyncmy|sqlalchemy")

RULES = (
    "beyond_the_end",
    "callbacks_need_secret",
    "cron_invalid",
    "document",
    "filter_empty",
    "ids_or_filter",
    "key_repeated",
    "moment_range",
    "name_or_title",
    "never_runs",
    "one_move",
    "one_timing",
    "outcome_needs",
    "placeholder_unknown",
    "queue_word",
    "reserved",
    "title_makes_no_task",
    "url_credentials",
    "url_host",
    "url_invalid",
    "url_private",
    "url_scheme",
    "windows_invalid",
    "zone_unknown",
)
"""Of the catalogue: what a schema for client generators does not tell."""


def _pattern(sentence: str) -> str:
    return re.sub(r"\\{\w+\\}", ".*", re.escape(sentence))


ROUNDED = f"it must be at most {MAX_ID}"
"""schemathesis takes a maximum as a float, and goes beyond it."""

KNOWN = re.compile("|".join([*(_pattern(FAULTS[rule][0]) for rule in RULES), ROUNDED]), re.DOTALL)


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _arguments: dict[str, Any]) -> None:
    """Let nothing wait: there is nothing to be claimed, and no task ends.

    And let a batch with a bad task be refused as a whole, where it is to be refused.
    """
    body: Any = case.body
    is_negative = case.meta is not None and case.meta.generation.mode.is_negative
    if case.path == "/tasks/batch" and isinstance(body, dict) and is_negative:
        case.body = body | ({"partial": False} if body.get("partial") is True else {})
    if case.path == "/claims" and isinstance(body, dict) and "wait" in body:
        wait = body["wait"]
        case.body = body | {"wait": min(wait, 0) if isinstance(wait, int | float) else wait}
    if case.path == "/tasks/{task_id}" and isinstance(case.query.get("wait"), int | float):
        case.query["wait"] = min(case.query["wait"], 0)


@schemathesis.check
def refusals_are_problems(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """Hold every error against what the API promises of errors."""
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"]
        assert not LEAKS.search(response.text)
        assert response.json()["code"] in DETAILS


@schemathesis.check
def only_known_rules_refuse(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Let no valid data be refused but by a rule that no schema tells."""
    if response.status_code == 422 and case.meta and case.meta.generation.mode.is_positive:
        problem = response.json()
        told = [each["detail"] for each in problem.get("errors", ())]
        assert told or problem["code"] == "idempotency_key_reused"
        assert all(map(KNOWN.fullmatch, told))
