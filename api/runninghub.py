"""The routes of RunningHub: what a workflow can be given, and where ends of runs are told."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.access import ClientRoute, OpenRoute
from api.bodies import read_body
from api.database import DatabaseDependency
from api.documentation import operation_id, problems
from api.locality import network
from api.problems import Problem
from schema import hints
from schema.fields import Name
from schema.runtime.runninghub import hooks
from schema.runtime.runninghub.client import open_hub
from schema.runtime.runninghub.errors import HubError, Refusal
from schema.runtime.settings import Rate
from schema.workflows import QUEUE

HOOK_RATE = Rate(60, 60)
"""What is taken of one task, and of one address that guesses."""

HOOK_BYTES = 256 * 1024

router = APIRouter(
    tags=["runninghub"], route_class=ClientRoute, generate_unique_id_function=operation_id
)


class HookRoute(OpenRoute):
    """A route for who has no token: its address is known to nobody else."""

    takes_keys = False


open_router = APIRouter(
    tags=["runninghub"], route_class=HookRoute, generate_unique_id_function=operation_id
)


class NodeInput(BaseModel):
    """An input that node_info_list can set."""

    fieldName: str  # noqa: N815  # RunningHub's word
    fieldValue: Any = Field(description="What the workflow has there")  # noqa: N815


class WorkflowNode(BaseModel):
    """A node of a workflow. Inputs that come from other nodes are left out."""

    nodeId: str  # noqa: N815
    class_type: str
    title: str
    inputs: list[NodeInput]


@router.get(
    "/runninghub/workflows/{workflow_id}/nodes",
    response_model=list[WorkflowNode],
    responses=problems(404, 422, 502),
)
async def get_workflow_nodes(
    workflow_id: Annotated[str, Path(max_length=64, description="Number of the workflow")],
    request: Request,
    queue: Annotated[Name, Query(description="Whose key is used")] = QUEUE,
) -> Response:
    """Ask RunningHub for the nodes of a workflow."""
    key = request.app.state.hub_keys.get(queue)
    if key is None:
        raise Problem(404, "runninghub_key_missing", values={"queue": queue})
    try:
        graph = await (await open_hub(key)).graph(workflow_id)
    except HubError as error:
        code = "runninghub_refused" if isinstance(error, Refusal) else "runninghub_silent"
        raise Problem(502, code, values={"reason": str(error)}) from None
    return Response(orjson.dumps(list(_nodes(graph))), media_type="application/json")


class HintTaken(BaseModel):
    """The same whatever was sent."""

    status: Literal["ok"] = "ok"


@open_router.post(f"{hooks.PATH}/{{token}}", responses=problems(404, 408, 413, 429, 503))
async def take_hint(token: str, request: Request, database: DatabaseDependency) -> HintTaken:
    """Be told by RunningHub that a run has ended: its worker looks, whatever the body says."""
    state = request.app.state
    task_id = hooks.task_of(token, state.hub_keys.values())
    if task_id is None:
        state.hook_rates.spend(network(request.client.host if request.client else ""))
        raise Problem(404, "not_found")
    state.hook_rates.spend(str(task_id))
    await read_body(request, HOOK_BYTES)
    await database.write(lambda connection: hints.note(connection, task_id))
    return HintTaken()


def _nodes(graph: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for node_id, node in graph.items():
        if not isinstance(node, dict):
            continue
        class_type, inputs = str(node.get("class_type") or ""), node.get("inputs")
        meta = node.get("_meta")
        title = meta.get("title") if isinstance(meta, dict) else None
        yield {
            "nodeId": node_id,
            "class_type": class_type,
            "title": str(title or class_type),
            "inputs": [
                {"fieldName": name, "fieldValue": value}
                for name, value in (inputs.items() if isinstance(inputs, dict) else ())
                if not isinstance(value, list)  # a link: node and slot
            ],
        }
