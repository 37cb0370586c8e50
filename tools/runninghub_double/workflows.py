"""The workflows that the double knows, as ComfyUI writes them for its API."""

from collections.abc import Mapping, Sequence
from typing import Any

from tools.runninghub_double.refusals import Refused

Graph = Mapping[str, Mapping[str, Any]]

PORTRAIT = "1850925505116598274"
NEVER_RUN = "1850925505116598275"

GRAPHS: Mapping[str, Graph] = {
    PORTRAIT: {
        "3": {
            "class_type": "KSampler",
            "inputs": {"seed": 1, "steps": 20, "cfg": 7.0, "model": ["4", 0], "positive": ["6", 0]},
            "_meta": {"title": "Sampler"},
        },
        "4": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "portrait.safetensors"},
            "_meta": {"title": "Model"},
        },
        "6": {
            "class_type": "CLIPTextEncode",
            "inputs": {"text": "a portrait", "clip": ["4", 1]},
            "_meta": {"title": "What it shows"},
        },
        "9": {
            "class_type": "SaveImage",
            "inputs": {"filename_prefix": "portrait", "images": ["3", 0]},
            "_meta": {"title": "Save"},
        },
        "10": {
            "class_type": "LoadImage",
            "inputs": {"image": "example.png"},
            "_meta": {"title": "Picture"},
        },
    },
    NEVER_RUN: {},
}


def graph_of(workflow_id: Any) -> Graph:
    """Return a workflow; raises Refused when there is none, or it was never run by hand."""
    graph = GRAPHS.get(workflow_id) if isinstance(workflow_id, str) else None
    if graph is None:
        raise Refused(380, "WORKFLOW_NOT_EXISTS")
    if not graph:
        raise Refused(810, "WORKFLOW_NOT_SAVED_OR_NOT_RUNNING")
    return graph


def check_nodes(graph: Graph, nodes: Sequence[Any], uploaded: Mapping[str, float]) -> None:
    """Raise Refused when the nodes do not fit the workflow, or a picture was not uploaded."""
    for node in nodes:
        fields = graph.get(str(node.get("nodeId")), {}).get("inputs", {})
        name = node.get("fieldName")
        if name not in fields:
            raise Refused(803, f"APIKEY_INVALID_NODE_INFO: {node.get('nodeId')}.{name}")
        if name == "image" and node.get("fieldValue") not in uploaded:
            raise Refused(433, "VALIDATE_PROMPT_FAILED: invalid image file")
