"""What the double knows: keys, uploads and runs, and the rules about them."""

import hashlib
import hmac
import itertools
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tools.runninghub_double.clock import Clock
from tools.runninghub_double.faults import Faults
from tools.runninghub_double.refusals import Refused, invalid, unauthorized
from tools.runninghub_double.runs import ACTIVE, COINS, Run, RunStatus, Script, failure_of
from tools.runninghub_double.workflows import check_nodes, graph_of

DAY_SECONDS = 86_400
UPLOAD_BYTES = 30 * 1024 * 1024
FIRST_ID = 1_910_246_754_753_896_450
COINS_AT_FIRST = 177_814


@dataclass(slots=True)
class Account:
    """What belongs to a key. `uploads` has when each name was uploaded."""

    limit: int = 1
    coins: int = COINS_AT_FIRST
    uploads: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Double:
    """The whole of it. `full_code` is what a create beyond a key's limit is answered with."""

    accounts: Mapping[str, Account]
    clock: Clock
    script: Script = field(default_factory=Script)
    full_code: int = 421
    runs: dict[str, Run] = field(default_factory=dict)
    bytes_of: dict[str, bytes] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(FIRST_ID))
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def account(self, key: Any) -> Account:
        """Return the account of a key; raises Refused."""
        account = self.accounts.get(key) if isinstance(key, str) else None
        if account is None:
            raise unauthorized()
        return account

    def active(self, key: str) -> list[Run]:
        """Return what runs or waits of a key."""
        now = self.clock.now()
        runs = [run for run in self.runs.values() if run.key == key]
        return [run for run in runs if run.status(now) in ACTIVE]

    def upload(self, key: str, name: str, content: bytes) -> str:
        """Keep a file for a day and return the name to use; the same for the same bytes."""
        account = self.account(key)
        if len(content) > UPLOAD_BYTES:
            raise Refused(809, "APIKEY_FILE_SIZE_EXCEEDED")
        ending = name.rpartition(".")[2] if "." in name else "bin"
        kept = f"api/{hashlib.sha256(content).hexdigest()}.{ending}"
        account.uploads[kept] = self.clock.now()
        self.bytes_of[kept] = content
        return kept

    def create(self, key: str, workflow_id: Any, nodes: Any) -> Run:
        """Create a run; raises Refused."""
        account, now = self.account(key), self.clock.now()
        if not isinstance(nodes, Sequence):
            raise invalid("nodeInfoList")
        fresh = {name: at for name, at in account.uploads.items() if now - at < DAY_SECONDS}
        check_nodes(graph_of(workflow_id), nodes, fresh)
        if len(self.active(key)) >= account.limit:
            raise Refused(self.full_code, "TASK_QUEUE_MAXED")
        run = Run(str(next(self.ids)), key, workflow_id, nodes, replace(self.script), now)
        self.runs[run.id] = run
        return run

    def run(self, key: str, run_id: Any) -> Run:
        """Return a run of a key; raises Refused."""
        self.account(key)
        run = self.runs.get(str(run_id))
        if run is None or run.key != key:
            raise Refused(807, "APIKEY_TASK_NOT_FOUND")
        return run

    def outputs(self, key: str, run_id: Any, address: str, socket: str) -> list[dict[str, Any]]:
        """Return the files of a run that succeeded; raises Refused with what else it is at."""
        run, now = self.run(key, run_id), self.clock.now()
        match run.status(now):
            case RunStatus.QUEUED:
                raise Refused(813, "APIKEY_TASK_IS_QUEUED")
            case RunStatus.RUNNING:
                data = {"netWssUrl": f"{socket}/ws/c_instance?run={run.id}&Rh-Comfy-Auth=c2VjcmV0"}
                raise Refused(804, "APIKEY_TASK_IS_RUNNING", data)
            case RunStatus.FAILED:
                raise failure_of(run)
        return [self._output(run, address)] if run.script.end == "success" else []

    def cancel(self, key: str, run_id: Any) -> None:
        """Cancel a run, unless it has ended; raises Refused."""
        run, now = self.run(key, run_id), self.clock.now()
        if run.status(now) in ACTIVE:
            run.cancelled_at = now

    def balance(self, key: str) -> int:
        """Return the coins that are left of an account."""
        now = self.clock.now()
        ended = [run for run in self.runs.values() if run.key == key]
        paid = sum(run.status(now) is RunStatus.SUCCESS for run in ended)
        return self.account(key).coins - COINS * paid

    def signature(self, path: str, expires: int) -> str:
        """Return what an address of a file needs to be served."""
        return hmac.new(self._secret, f"{path}{expires}".encode(), "sha256").hexdigest()

    def _output(self, run: Run, address: str) -> dict[str, Any]:
        path, expires = f"/view/{run.id}/9.png", int(run.created_at + run.ends_after + DAY_SECONDS)
        sign = self.signature(path, expires)
        return {
            "fileUrl": f"{address}{path}?q-sign-expires={expires}&q-signature={sign}",
            "fileType": "png",
            "taskCostTime": str(round(run.script.run_seconds)),
            "nodeId": "9",
            "thirdPartyConsumeMoney": None,
            "consumeMoney": None,
            "consumeCoins": str(COINS),
        }
