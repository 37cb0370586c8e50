"""openapi.json: what FastAPI reads off the routes, and what holds for all of them."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.access import GuardedRoute
from api.bodies import JsonRoute
from api.caching import is_cacheable
from api.catalogue import DETAILS, title_of
from api.conditional import IF_NONE_MATCH
from api.documentation import ProblemDocument
from api.examples import EXAMPLES
from api.idempotency import IDEMPOTENCY_KEY
from api.problems import MEDIA_TYPE
from api.refusal_examples import refusal_example
from api.task_json import TaskDetail
from schema.states import Actor

DESCRIPTION = """Tasks that workers carry out, with MySQL as their queue.

Every path also works under `/api` and `/api/v1`, with and without a trailing slash. Times are
RFC 3339; those in answers are UTC. Every error is `application/problem+json`, in Chinese or
English as `Accept-Language` prefers; `code` tells programs what it is. Every answer has an
`X-Request-Id`: the one of the request, or a new one."""

TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "One of CLIENT_TOKENS, OPERATOR_TOKENS or WORKER_TOKENS; each operation names"
    " the least roles of which it needs one, and an operator may do what a client may. Where no"
    " tokens are set, none is needed: then only direct requests from the same machine are served.",
}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "Names this request in the log", "schema": {"type": "string"}},
    "Content-Language": {
        "description": "Language of title and detail",
        "schema": {"type": "string", "enum": ["en", "zh"]},
    },
    "WWW-Authenticate": {
        "description": "Which token is wanted",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds until it is worth trying again",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Accept": {"description": "The media type that is taken", "schema": {"type": "string"}},
    "Content-Range": {
        "description": "Which bytes of how many, or how many there are",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "For If-None-Match; a task's also for If-Match",
        "schema": {"type": "string"},
    },
    "X-Cache": {
        "description": "Whether the answer was kept in Redis, for a second at most: hit: yes;"
        " miss: it was read for this request; bypass: Redis was not asked, or did not answer",
        "schema": {"type": "string", "enum": ["hit", "miss", "bypass"]},
    },
    "Idempotency-Replayed": {
        "description": "true: the first answer to this Idempotency-Key, given again",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

OF_STATUS = {
    401: "WWW-Authenticate",
    403: "WWW-Authenticate",
    409: "Retry-After",
    412: "ETag",
    415: "Accept",
    416: "Content-Range",
    429: "Retry-After",
    503: "Retry-After",
}
"""What an error tells besides, in a header."""

CACHE_CONTROL: dict[str, Any] = {
    "name": "Cache-Control",
    "in": "header",
    "required": False,
    "description": "no-cache: an answer that was read for this request",
    "schema": {"type": "string"},
}


GROUPS: Mapping[str, str] = {
    "tasks": "Create, read, change and delete tasks",
    "batches": "The same with up to 1,000 tasks at once, or with all that match a filter",
    "verbs": "Start, stop, pause, resume and move a task",
    "events": "What happens to tasks, as it happens",
    "history": "How a task stands and what happened to it",
    "schedules": "Make tasks again and again",
    "accounts": "What belongs to one account",
    "tags": "Names that tasks are found by",
    "files": "Bytes that tasks refer to",
    "queues": "Limits, defaults and pauses of queues",
    "dispatcher": "The switch over everything that is claimed",
    "workers": "Processes that run tasks",
    "overview": "How everything stands",
    "work": "Run tasks over HTTP, with handlers in any language",
    "runninghub": "What workflows of RunningHub can be given; where it tells of their ends",
    "health": "For watchdogs",
}
"""What the groups of operations are about."""


class Operation(NamedTuple):
    """A route, as one of its methods."""

    route: JsonRoute
    method: str
    told: dict[str, Any]


def describe(application: FastAPI) -> None:
    """Have the application tell its OpenAPI document with our errors instead of FastAPI's."""

    def openapi() -> dict[str, Any]:
        if application.openapi_schema is None:
            application.openapi_schema = document(application)
        return application.openapi_schema

    application.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual has it


def document(application: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application."""
    told = get_openapi(
        title=application.title,
        version=application.version,
        description=DESCRIPTION,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        routes=application.routes,
        tags=[{"name": name, "description": each} for name, each in GROUPS.items()],
    )
    statuses = set()
    for operation in _operations(application, told):
        statuses |= _complete(operation)
    components = told["components"]
    components["schemas"] = _schemas(components["schemas"])
    components["responses"] = {_name(each): _refusal(each) for each in sorted(statuses)}
    components["headers"] = HEADERS
    components["examples"] = _examples(told)
    components["securitySchemes"] = {"token": TOKEN}
    return told


def _operations(application: FastAPI, told: dict[str, Any]) -> Iterator[Operation]:
    for route in application.routes:
        for method in sorted(route.methods or ()) if isinstance(route, JsonRoute) else ():
            if isinstance(route, JsonRoute) and route.include_in_schema:
                yield Operation(route, method, told["paths"][route.path_format][method.lower()])


def _complete(operation: Operation) -> set[int]:
    """Complete what is told of an operation, and return the statuses of its refusals."""
    route, told = operation.route, operation.told
    if isinstance(route, GuardedRoute):
        least = route.roles - {Actor.OPERATOR} or route.roles
        told["security"] = [{"token": [role]} for role in sorted(least)]
    if parameters := _parameters(operation):
        told["parameters"] = parameters
    _exemplify(told.get("requestBody"))
    responses = {int(status): each for status, each in told["responses"].items()}
    if _is_conditional(operation):
        responses |= {304: {"description": "The client has it already, by its If-None-Match"}}
    invalid = "HTTPValidationError" in str(responses.get(422))
    kept = {status: each for status, each in responses.items() if not (invalid and status == 422)}
    refusals = {status for status in kept if status >= 400}
    told["responses"] = {
        str(status): {"$ref": f"#/components/responses/{_name(status)}"}
        if status in refusals
        else _answer(operation, each)
        for status, each in sorted(kept.items())
    }
    return refusals


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    route, told = operation.route, operation.told
    found = told.get("parameters", ())
    in_path = {each["name"] for each in found if each["in"] == "path"}
    parameters = [
        each | {"schema": _without_null(each["schema"])}
        for each in found
        if each["in"] == "path" or each["name"] not in in_path
    ]
    if _is_conditional(operation):
        parameters.append(IF_NONE_MATCH)
    if is_cacheable(route.endpoint):
        parameters.append(CACHE_CONTROL)
    if _takes_keys(operation):
        parameters.append(IDEMPOTENCY_KEY)
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which is left out and never null."""
    if "anyOf" not in schema:
        return schema
    kept = {name: each for name, each in schema.items() if name not in {"anyOf", "default"}}
    given: dict[str, Any]
    [given] = [each for each in schema["anyOf"] if each != {"type": "null"}]
    return kept | given


def _is_conditional(operation: Operation) -> bool:
    answer = operation.told["responses"].get("200", {})
    is_stream = "text/event-stream" in answer.get("content", {})
    return operation.method == "GET" and not is_stream


def _takes_keys(operation: Operation) -> bool:
    return operation.method == "POST" and operation.route.takes_keys


def _answer(operation: Operation, told: dict[str, Any]) -> dict[str, Any]:
    _exemplify(told)
    names = _headers(operation, told)
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {**told, "headers": told.get("headers", {}) | headers}


def _headers(operation: Operation, told: dict[str, Any]) -> Iterator[str]:
    yield "X-Request-Id"
    if _is_conditional(operation) or _is_task(told):
        yield "ETag"
    if is_cacheable(operation.route.endpoint):
        yield "X-Cache"
    if _takes_keys(operation):
        yield "Idempotency-Replayed"


def _is_task(told: dict[str, Any]) -> bool:
    content = told.get("content", {}).get("application/json", {})
    names = {TaskDetail.__name__, *(each.__name__ for each in TaskDetail.__subclasses__())}
    return _name_of(content.get("schema", {})) in names


def _exemplify(told: dict[str, Any] | None) -> None:
    for content in (told or {}).get("content", {}).values():
        schema = content.get("schema", {})
        names = [_example_name(each) for each in schema.get("anyOf", [schema])]
        if any(names):
            content["examples"] = {
                name: {"$ref": f"#/components/examples/{name}"} for name in names if name
            }


def _example_name(schema: dict[str, Any]) -> str:
    """Return what the example of a body is called, nothing where it has none."""
    if "items" in schema:
        return f"{_example_name(schema['items'])}List"
    return "Time" if schema.get("format") == "date-time" else _name_of(schema)


def _examples(told: dict[str, Any]) -> dict[str, Any]:
    """Return the examples that a document refers to; of a list, one element is the example."""
    names = sorted(set(re.findall("#/components/examples/([A-Za-z]+)", str(told["paths"]))))
    lists: dict[str, Any] = {f"{name}List": [example] for name, example in EXAMPLES.items()}
    return {name: {"value": (lists | dict(EXAMPLES))[name]} for name in names}


def _name_of(schema: dict[str, Any]) -> str:
    reference: str = schema.get("$ref", "")
    return reference.rpartition("/")[2]


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _refusal(status: int) -> dict[str, Any]:
    names = ["X-Request-Id", "Content-Language"]
    if status in OF_STATUS:
        names.append(OF_STATUS[status])
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": title_of(status, "en"),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {MEDIA_TYPE: {"schema": schema, "example": refusal_example(status)}},
    }


def _schemas(found: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of the document: those found, and that of errors in FastAPI's place."""
    ours = {name: each for name, each in found.items() if not name.endswith("ValidationError")}
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    problem["properties"]["code"]["examples"] = sorted(DETAILS)
    needed: dict[str, Any] = problem.pop("$defs")
    return ours | needed | {"Problem": problem}
