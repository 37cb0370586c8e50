"""The routes of RunningHub that Rowlease uses, and those that tell the double what to do."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import orjson
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from tools.runninghub_double import control, webhooks
from tools.runninghub_double.double import Double
from tools.runninghub_double.faults import Fault
from tools.runninghub_double.pictures import picture
from tools.runninghub_double.refusals import Refused, invalid
from tools.runninghub_double.runs import RunStatus
from tools.runninghub_double.workflows import graph_of

LOOK_SECONDS = 0.2

Work = Callable[[], Any]


class Cut(Response):
    """An answer whose connection breaks in the middle."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send less than was announced."""
        headers = [(b"content-length", b"100"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"code"', "more_body": True})
        raise ConnectionAbortedError("cut, as it was told")


def build(double: Double) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="A double of RunningHub", openapi_url=None)
    app.state.double = double
    app.include_router(control.router)
    app.add_api_route("/task/openapi/create", create, methods=["POST"])
    app.add_api_route("/task/openapi/outputs", outputs, methods=["POST"])
    app.add_api_route("/task/openapi/status", status, methods=["POST"])
    app.add_api_route("/task/openapi/cancel", cancel, methods=["POST"])
    app.add_api_route("/task/openapi/upload", upload, methods=["POST"])
    app.add_api_route("/uc/openapi/accountStatus", account, methods=["POST"])
    app.add_api_route("/api/openapi/getJsonApiFormat", graph, methods=["POST"])
    app.add_api_websocket_route("/ws/c_instance", tell_progress)
    app.add_api_route("/view/{run_id}/{name}", view, methods=["GET"])
    return app


def double_of(request: Request) -> Double:
    """Return the double that a request is for."""
    return cast("Double", request.app.state.double)


async def create(request: Request) -> Response:
    """Create a run."""
    double, body = double_of(request), await _body(request)

    def work() -> Any:
        run = double.create(_key(body), body.get("workflowId"), body.get("nodeInfoList", []))
        run.webhook = body.get("webhookUrl")
        webhooks.follow(double, run)
        return {
            "netWssUrl": None,
            "taskId": run.id,
            "clientId": f"client-{run.id}",
            "taskStatus": run.status(double.clock.now()),
            "promptTips": '{"result": true, "error": null, "node_errors": {}}',
        }

    return await _answer(double, "create", work)


async def outputs(request: Request) -> Response:
    """Return the files of a run, or a code that says where it stands."""
    double, body = double_of(request), await _body(request)
    address = str(request.base_url).rstrip("/")
    socket = f"ws{address.removeprefix('http')}"
    key, run_id = _key(body), body.get("taskId")
    return await _answer(double, "outputs", lambda: double.outputs(key, run_id, address, socket))


async def status(request: Request) -> Response:
    """Return the status of a run as a word."""
    double, body = double_of(request), await _body(request)

    def work() -> Any:
        return double.run(_key(body), body.get("taskId")).status(double.clock.now())

    return await _answer(double, "status", work)


async def cancel(request: Request) -> Response:
    """Cancel a run."""
    double, body = double_of(request), await _body(request)
    key, run_id = _key(body), body.get("taskId")
    return await _answer(double, "cancel", lambda: double.cancel(key, run_id))


async def upload(request: Request) -> Response:
    """Take a file."""
    double = double_of(request)
    async with request.form() as form:
        key, file = form.get("apiKey"), form.get("file")
        if file is None or isinstance(file, str):
            return await _answer(double, "upload", _refuse)
        name, content = file.filename or "", await file.read()

    def work() -> Any:
        return {"fileName": double.upload(str(key), name, content), "fileType": "input"}

    return await _answer(double, "upload", work)


async def account(request: Request) -> Response:
    """Return how an account stands; numbers are text, and the key's field is all lower case."""
    double, body = double_of(request), await _body(request)

    def work() -> Any:
        key = _key(body, "apikey")
        double.account(key)
        return {
            "remainCoins": str(double.balance(key)),
            "currentTaskCounts": str(len(double.active(key))),
            "remainMoney": None,
            "currency": None,
            "apiType": "NORMAL",
        }

    return await _answer(double, "account", work)


async def graph(request: Request) -> Response:
    """Return a workflow, as JSON in a string."""
    double, body = double_of(request), await _body(request)

    def work() -> Any:
        double.account(_key(body))
        return {"prompt": orjson.dumps(graph_of(body.get("workflowId"))).decode()}

    return await _answer(double, "graph", work)


async def view(run_id: str, name: str, request: Request) -> Response:
    """Serve a file of a run, to who has its signed address, for a day."""
    double, query = double_of(request), request.query_params
    fault = double.faults.take("view")
    if fault is not None and fault.how != "hold":
        return _wrong(fault)
    if fault is not None:
        await double.faults.hold("view")
    expires = int(query.get("q-sign-expires", "0"))
    path = f"/view/{run_id}/{name}"
    right = query.get("q-signature") == double.signature(path, expires)
    if not right or double.clock.now() > expires:
        return Response("AccessDenied: Request has expired", 403)
    return Response(picture(run_id), media_type="image/png")


async def tell_progress(socket: WebSocket) -> None:
    """Tell how far a run is, as ComfyUI does, until it has ended."""
    double: Double = socket.app.state.double
    run = double.runs.get(socket.query_params.get("run", ""))
    await socket.accept()
    while run is not None and run.status(now := double.clock.now()) is RunStatus.RUNNING:
        nodes = list(graph_of(run.workflow_id))
        place = run.share(now) * len(nodes)
        done = nodes[: int(place)]
        await socket.send_json({"type": "execution_cached", "data": {"nodes": done}})
        if len(done) < len(nodes):
            await socket.send_json({"type": "executing", "data": {"node": nodes[len(done)]}})
            told = {"node": nodes[len(done)], "value": place % 1, "max": 1}
            await socket.send_json({"type": "progress", "data": told})
        await asyncio.sleep(LOOK_SECONDS)
    await socket.close()


async def _body(request: Request) -> dict[str, Any]:
    body = orjson.loads(await request.body() or b"{}")
    return body if isinstance(body, dict) else {}


def _key(body: dict[str, Any], name: str = "apiKey") -> str:
    return str(body.get(name, ""))


def _refuse() -> Any:
    raise invalid("file")


async def _answer(double: Double, call: str, work: Work) -> Response:
    """Answer as RunningHub does: nearly always 200, with a code in the body; or misbehave."""
    double.calls[call] += 1
    fault = double.faults.take(call)
    if fault is None:
        return _envelope(work)
    done = _envelope(work) if fault.done else None
    if fault.how == "hold":
        await double.faults.hold(call)
        return done or _envelope(work)
    return _wrong(fault)


def _wrong(fault: Fault) -> Response:
    match fault.how:
        case "code" | "text_code":
            code: int | str = fault.value if fault.how == "code" else str(fault.value)
            return JSONResponse({"code": code, "msg": "TOLD_TO_REFUSE", "data": None})
        case "status":
            return HTMLResponse("<html><h1>Bad gateway</h1></html>", fault.value)
        case "cut":
            return Cut()
        case "null":
            return JSONResponse({"code": 0, "msg": "success", "data": None})
        case _:
            return HTMLResponse("<html>maintenance</html>")


def _envelope(work: Work) -> Response:
    try:
        return JSONResponse({"code": 0, "msg": "success", "data": work()})
    except Refused as refused:
        content = {"code": refused.code, "msg": refused.message, "data": refused.data}
        return JSONResponse(content)
