"""Creating a run: the one step that costs money and cannot be repeated.

That it is about to happen is saved before, and the number of the run after. Whoever finds only
the first asks RunningHub what it can tell; where that is not enough, a person decides.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from schema.runtime.logging import get_logger
from schema.runtime.runninghub import hooks
from schema.runtime.runninghub.client import Created, Hub, open_hub
from schema.runtime.runninghub.errors import HubError, Refusal
from schema.runtime.runninghub.keys import HubKey
from schema.runtime.settings import settings
from schema.workflows import WorkflowPayload
from worker.context import Context
from worker.runninghub import uploads
from worker.runninghub.ending import cancelled
from worker.runninghub.record import Record, Step
from worker.runninghub.waiting import is_certain, signal_of
from worker.signals import Hold, PermanentFailure

log = get_logger(__name__)

LOOKS = 2
"""How often an account has to show that nothing was created, one interval apart."""

MOST_CREATES = 3
"""How often one attempt sends a create of which nothing came."""

CREATE_SECONDS = 0.2
"""What a create under way gets when its handler is told to end: the rest is for its last words."""

IMAGE_REFUSED = 433

_under_way: set["asyncio.Task[str | None]"] = set()


class Creation:
    """Brings a task to where it has a run. `record` is what is saved of it.

    `hub` is there once that is saved under this lease. `abandoned`: nobody goes on with the task,
    so that a run that is created now is cancelled.
    """

    hub: Hub

    def __init__(
        self, context: Context, key: HubKey, payload: WorkflowPayload, interval: float
    ) -> None:
        self._context = context
        self.key = key
        self._payload = payload
        self._interval = interval
        self.record = Record.read(context.saved)
        self.abandoned = False

    async def accept(self) -> None:
        """Have a run: the one that there is, or a new one."""
        # Before all else, and under this lease: should this worker die, the next one takes over,
        # uncounted.
        await self._save(self.record)
        self.hub = await open_hub(self.key)
        if self.record.step is Step.CREATING:
            await self._settle("the worker ended before the answer was there")
        if self.record.step is not Step.ACCEPTED:
            await self.create()

    async def create(self) -> None:
        """Create a new run, whatever there was before."""
        self.record = Record(refusals=self.record.refusals)
        fields = await self._fields()
        for _ in range(MOST_CREATES):
            await self._announce()
            why = await self._send(fields)
            if why is None:
                return
            await self._settle(why)
        await self._save(self.record.refused())
        raise PermanentFailure(f"RunningHub took none of {MOST_CREATES} runs. It said: {why}")

    async def forget(self) -> None:
        """Save that there is no run any more."""
        await self._save(Record())

    async def _fields(self) -> Mapping[str, Any]:
        payload = self._payload
        try:
            nodes = await uploads.resolved(self._context, self.hub, payload.node_info_list)
        except HubError as error:
            raise await self._given_up(error) from None
        given = {
            "workflowId": payload.workflow_id,
            "nodeInfoList": nodes,
            "instanceType": payload.instance_type,
            "addMetadata": payload.add_metadata,
            "usePersonalQueue": payload.use_personal_queue,
            "retainSeconds": payload.retain_seconds,
            "webhookUrl": hooks.address(settings().public_url, self.hub.key, self._context.task_id),
        }
        return {name: value for name, value in given.items() if value is not None}

    async def _announce(self) -> None:
        """Save that a run is about to be created, and how the account stands before it."""
        try:
            account = await self.hub.account()
        except HubError as error:
            raise await self._given_up(error) from None
        await self._save(self.record.creating(self._context.attempt, account))

    async def _send(self, fields: Mapping[str, Any]) -> str | None:
        """Send the create; return None when there is a run, else why nobody knows.

        Being told to end does not cut it short: what comes of it in time is noted.
        """
        sending = asyncio.create_task(self._create_and_note(fields))
        _under_way.add(sending)
        sending.add_done_callback(_over)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait([sending], timeout=CREATE_SECONDS)
            raise

    async def _create_and_note(self, fields: Mapping[str, Any]) -> str | None:
        try:
            created = await self.hub.create(fields)
        except HubError as error:
            if not is_certain(error):
                return str(error)
            raise await self._given_up(error) from None
        log.info("run created", task_id=self._context.task_id, run_id=created.run_id)
        if self.abandoned:
            await cancelled(self.hub, created.run_id)
            return None
        await self._save(self.record.accepted(created.run_id))
        self._require_sound(created)
        return None

    def _require_sound(self, created: Created) -> None:
        if created.faults is not None:
            raise PermanentFailure(
                f"run {created.run_id} has nodes that cannot run: {created.faults}"
            )

    async def _given_up(self, error: HubError) -> Exception:
        """Note that nothing was created, and return what to raise."""
        refusals = self.record.refusals
        await self._save(self.record.refused())
        if isinstance(error, Refusal) and error.number == IMAGE_REFUSED:
            uploads.forget(self.hub.key.key)
        return signal_of(error, refusals)

    async def _settle(self, why: str) -> None:
        """Find out that no run was created; raises Hold when that cannot be."""
        if self._payload.on_uncertain == "retry":
            log.warning("creating again, not knowing", task_id=self._context.task_id, reason=why)
            self.record = Record(refusals=self.record.refusals)
            return
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(self._interval)
            if not await self._shows_none():
                raise Hold(
                    f"Nobody knows whether RunningHub created a run ({why}), and the account does"
                    " not show that it did not. Look there. If it has no run of this task, or you"
                    " want another one, start the task: that creates a new run, which is paid."
                )
        log.info("no run was created", task_id=self._context.task_id, reason=why)
        self.record = Record(refusals=self.record.refusals)

    async def _shows_none(self) -> bool:
        try:
            account = await self.hub.account()
        except HubError as error:
            refusals = self.record.refusals
            # Still not known: whoever comes next asks again.
            await self._save(self.record.asked_again())
            raise signal_of(error, refusals) from None
        return self.record.may_be_new(account)

    async def _save(self, record: Record) -> None:
        await self._context.save(record.saved())
        self.record = record


def _over(sending: "asyncio.Task[str | None]") -> None:
    """Take note that a create is over; its error may be nobody's any more."""
    _under_way.discard(sending)
    if not sending.cancelled():
        sending.exception()
