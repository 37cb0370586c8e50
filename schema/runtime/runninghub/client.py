"""RunningHub's API: one method for each call that we use, none of which is repeated here.

Answers are nearly always HTTP 200, and a code in the body says what happened. Keys travel in the
body and the headers, so that no address holds one.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx2
import orjson

from schema.runtime.runninghub.errors import Refusal, Unclear, Unreachable
from schema.runtime.runninghub.keys import HubKey
from schema.runtime.runninghub.redaction import redacted

ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 10.0
UPLOAD_SECONDS = 120.0
KEPT_SECONDS = 30.0
"""How long a connection is kept: longer than from one poll to the next."""

MOST_BYTES = 8 * 1024 * 1024
"""Of an answer; workflows of some hundred nodes are well below."""

RUN_FAILED = 805

SENT_NOTHING = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)

_Holder = AsyncGenerator[httpx2.AsyncClient]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[httpx2.AsyncClient, _Holder]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True, slots=True)
class Created:
    """A run as it was accepted. `faults` is what its nodes were found to lack, as JSON text."""

    run_id: str
    faults: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """How an account stands: runs under way, and the balances as they were told."""

    running: int
    balance: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Output:
    """A file of a finished run. `address` is signed: it must not be shown."""

    address: str = field(repr=False)
    kind: str
    node_id: str | None
    seconds: float | None
    costs: Mapping[str, str]


class Hub:
    """One account of RunningHub. Every call raises Refusal, Unreachable or Unclear."""

    def __init__(self, key: HubKey, client: httpx2.AsyncClient) -> None:
        self.key = key
        self._client = client
        self._headers = {"authorization": f"Bearer {key.key}"}

    async def create(self, fields: Mapping[str, Any]) -> Created:
        """Create a run, which costs money. After Unclear there may be one, or not."""
        data = await self._call("/task/openapi/create", fields)
        if not isinstance(data, dict) or not data.get("taskId"):
            raise Unclear("RunningHub accepted a run without telling its number")
        return Created(str(data["taskId"]), self._faults(data.get("promptTips")))

    async def outputs(self, run_id: str) -> list[Output] | None:
        """Return the files of a run that succeeded; None while it says nothing.

        Where else it stands is a Refusal: queued, running, failed, not found.
        """
        data = await self._call("/task/openapi/outputs", {"taskId": run_id})
        if isinstance(data, dict) and data.get("taskStatus") == "FAILED":
            raise self._refusal(RUN_FAILED, "the run failed", data)
        if not isinstance(data, list):
            return None
        return [_output(item) for item in data if isinstance(item, dict) and item.get("fileUrl")]

    async def cancel(self, run_id: str) -> None:
        """Cancel a run."""
        await self._call("/task/openapi/cancel", {"taskId": run_id})

    async def account(self) -> Account:
        """Return how many runs the account has under way, and its balance."""
        data = await self._call("/uc/openapi/accountStatus", {"apikey": self.key.key})
        if not isinstance(data, dict):
            raise Unclear("RunningHub told nothing of the account")
        balance = (_text(data.get("remainCoins")), _text(data.get("remainMoney")))
        return Account(_whole(data.get("currentTaskCounts")), balance)

    async def graph(self, workflow_id: str) -> Mapping[str, Any]:
        """Return a workflow's nodes by their ids, as ComfyUI's API format has them."""
        data = await self._call("/api/openapi/getJsonApiFormat", {"workflowId": workflow_id})
        try:
            graph = orjson.loads(data["prompt"])
        except (TypeError, KeyError, ValueError):
            raise Unclear("RunningHub did not tell the workflow's nodes") from None
        return graph if isinstance(graph, dict) else {}

    async def upload(self, path: Path, name: str) -> str:
        """Upload a file and return the name by which nodes use it, for about a day."""
        with path.open("rb") as file:
            request = self._client.build_request(
                "POST",
                f"{self.key.base_url}/task/openapi/upload",
                data={"apiKey": self.key.key, "fileType": "input"},
                headers=self._headers,
                files={"file": (name, file)},
                timeout=httpx2.Timeout(UPLOAD_SECONDS, connect=CONNECT_SECONDS),
            )
            data = await self._send(request)
        if not isinstance(data, dict) or not data.get("fileName"):
            raise Unclear("RunningHub took a file without telling its name")
        return str(data["fileName"])

    async def _call(self, path: str, fields: Mapping[str, Any]) -> Any:
        body = orjson.dumps({"apiKey": self.key.key, **fields})
        headers = self._headers | {"content-type": "application/json"}
        url = f"{self.key.base_url}{path}"
        return await self._send(
            self._client.build_request("POST", url, content=body, headers=headers)
        )

    async def _send(self, request: httpx2.Request) -> Any:
        # None of these errors is chained: they may tell addresses.
        try:
            response = await self._client.send(request, stream=True)
        except SENT_NOTHING as error:
            raise Unreachable(f"RunningHub cannot be reached: {type(error).__name__}") from None
        except httpx2.HTTPError as error:
            raise Unclear(f"RunningHub did not answer: {type(error).__name__}") from None
        try:
            content = await _content(response)
        except httpx2.HTTPError as error:
            raise Unclear(f"RunningHub's answer broke off: {type(error).__name__}") from None
        finally:
            await response.aclose()
        return self._read(response, content)

    def _read(self, response: httpx2.Response, content: bytes) -> Any:
        """Return the data of an answer; the HTTP status comes first, then the code."""
        if response.status_code >= 300:
            raise self._status(response)
        try:
            envelope = orjson.loads(content)
            number = int(envelope["code"])
        except (ValueError, TypeError, KeyError):
            raise Unclear("RunningHub's answer is not one of its API") from None
        data = envelope.get("data")
        if number == 0:
            return data
        raise self._refusal(number, envelope.get("msg") or envelope.get("message") or "", data)

    def _refusal(self, number: int, said: Any, data: Any) -> Refusal:
        more = data if isinstance(data, dict) else {}
        reason = more.get("failedReason")
        if isinstance(reason, dict):
            where = reason.get("node_name") or reason.get("node_id")
            said = f"{where}: {reason.get('exception_message')}" if where else said
        return Refusal(number, self._redacted(said), socket=_text(more.get("netWssUrl")))

    def _status(self, response: httpx2.Response) -> Refusal | Unclear:
        status = response.status_code
        if status >= 500:
            return Unclear(f"RunningHub answered with HTTP {status}")
        wait = response.headers.get("retry-after", "")
        number = status if status in {401, 403, 429} else 404
        return Refusal(number, f"HTTP {status}", wait_seconds=int(wait) if wait.isdecimal() else 0)

    def _faults(self, tips: Any) -> str | None:
        """Return the errors of nodes in `promptTips`, which is JSON in a string."""
        try:
            faults = orjson.loads(tips).get("node_errors")
        except (TypeError, ValueError, AttributeError):
            return None
        return self._redacted(orjson.dumps(faults).decode()) if faults else None

    def _redacted(self, text: Any) -> str:
        return redacted(text, self.key.key)


async def open_hub(key: HubKey) -> Hub:
    """Return an account, reached over connections that all of this event loop share."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        made = httpx2.AsyncClient(
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=KEPT_SECONDS),
            verify=_tls(),
        )
        holder = _held(made)
        _clients[loop] = made, holder
        await anext(holder)
    return Hub(key, _clients[loop][0])


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


async def _held(made: httpx2.AsyncClient) -> _Holder:
    """Hold a client until the loop's end: that is when asyncio closes generators."""
    async with made:
        yield made


async def _content(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MOST_BYTES:
            raise Unclear("RunningHub's answer is too long")
    return bytes(content)


def _output(item: Mapping[str, Any]) -> Output:
    costs = {
        name: str(item[field]) for name, field in COSTS.items() if item.get(field) not in {None, ""}
    }
    return Output(
        address=str(item["fileUrl"]),
        kind=str(item.get("fileType") or ""),
        node_id=_text(item.get("nodeId")),
        seconds=_seconds(item.get("taskCostTime")),
        costs=costs,
    )


COSTS = {
    "coins": "consumeCoins",
    "money": "consumeMoney",
    "third_party_money": "thirdPartyConsumeMoney",
}
"""What we call their fields of cost. A field that is missing is not 0."""


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Unclear("RunningHub did not tell how many runs there are") from None


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
