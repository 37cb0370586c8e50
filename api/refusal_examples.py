"""An example of each kind of refusal, for openapi.json."""

from collections.abc import Mapping
from typing import Any

from api.faults import Fault
from api.problems import Invalid, Problem, document

_TASK_AT = "/tasks/4711"

REFUSALS: Mapping[int, tuple[str, Problem]] = {
    400: (_TASK_AT, Problem(400, "body_not_json", values={"line": 1, "column": 12})),
    401: (_TASK_AT, Problem(401, "token_missing")),
    403: (_TASK_AT, Problem(403, "role_forbids", values={"role": "client", "roles": "operator"})),
    404: (_TASK_AT, Problem(404, "task_not_found", values={"task_id": 4711})),
    408: (_TASK_AT, Problem(408, "body_too_slow")),
    409: (
        f"{_TASK_AT}/pause",
        Problem(
            409,
            "state_forbids",
            values={"task_id": 4711, "state": "SUCCESS", "verb": "pause"},
            members={"current_state": "SUCCESS", "allowed_actions": ["delete"]},
        ),
    ),
    412: (_TASK_AT, Problem(412, "version_changed", values={"task_id": 4711, "version": 3})),
    413: ("/tasks", Problem(413, "body_too_large", values={"limit": 1_048_576})),
    415: ("/tasks", Problem(415, "body_media_type")),
    416: ("/files/12", Problem(416, "range_unsatisfiable", values={"size": 1_048_576})),
    422: ("/tasks", Invalid([Fault("/title", "missing")])),
    429: ("/tasks", Problem(429, "too_many", values={"seconds": 6})),
    502: (
        "/runninghub/workflows/1850925505116598274/nodes",
        Problem(502, "runninghub_silent", values={"reason": "HTTP 502"}),
    ),
    503: ("/tasks", Problem(503, "database_away")),
}
"""By status: a path, and why a request to it was refused."""


def refusal_example(status: int) -> dict[str, Any]:
    """Return the document of a refusal with this status."""
    path, problem = REFUSALS[status]
    return document(problem, "en") | {"instance": path}
