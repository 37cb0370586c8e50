"""What alerts say, in English and Chinese."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from schema.alerts import FAILURE_SECONDS, Alert, AlertCode
from schema.times import from_database

_SAID: dict[tuple[str, ...], tuple[str, str]] = {
    (AlertCode.FAILURES,): (
        "Of {ended} attempts in the last {minutes} minutes {failed} failed; {error}: {times}.",
        "最近 {minutes} 分钟的 {ended} 次执行中有 {failed} 次失败，{error}：{times} 次。",
    ),
    (AlertCode.FAILURES, "over"): ("Attempts fail no more than usual.", "失败率已恢复正常。"),
    (AlertCode.WAITING, "queue"): (
        "Queue {queue}: the oldest due task has waited for {age}.",
        "队列 {queue}：最早到期的任务已等待 {age}。",
    ),
    (AlertCode.WAITING, "queue", "over"): (
        "Queue {queue}: no task waits for too long any more.",
        "队列 {queue}：不再有任务等待过久。",
    ),
    (AlertCode.NO_WORKER, "queue"): (
        "Queue {queue}: tasks are due since {since}, and no worker takes them.",
        "队列 {queue}：自 {since} 起有任务到期，但没有 worker 领取该队列。",
    ),
    (AlertCode.NO_WORKER, "queue", "over"): (
        "Queue {queue}: no task is left without a worker any more.",
        "队列 {queue}：不再有无人领取的任务。",
    ),
    (AlertCode.NO_WORKER,): (
        "Tasks are due since {since}, and no worker is alive.",
        "自 {since} 起有任务到期，但没有存活的 worker。",
    ),
    (AlertCode.NO_WORKER, "over"): (
        "No task is left without any worker any more.",
        "不再有因没有 worker 而无人处理的任务。",
    ),
    (AlertCode.REAPER_SILENT, "name"): (
        "Reaper {name} has been silent since {since}.",
        "reaper {name} 自 {since} 起没有响应。",
    ),
    (AlertCode.REAPER_SILENT,): (
        "No reaper has worked since {since}: leases did not expire, schedules did not fire.",
        "自 {since} 起没有 reaper 工作：租约未到期回收，定时计划未触发。",
    ),
    (AlertCode.REAPER_SILENT, "over"): ("A reaper works again.", "reaper 已恢复工作。"),
    (AlertCode.SNAPSHOT,): (
        "A transaction that stays open holds up the purge, and claims get slower: {who}.",
        "有长时间未结束的事务阻碍清理（purge），领取任务会变慢：{who}。",
    ),
    (AlertCode.SNAPSHOT, "over"): (
        "No transaction holds up the purge any more.",
        "不再有事务阻碍清理（purge）。",
    ),
}

_UNITS = ((86_400, "d", "天"), (3_600, "h", "小时"), (60, "min", "分钟"))


def speaker(language: str, zone: ZoneInfo) -> Callable[[Alert], str]:
    """Return what puts alerts into words of a language; moments are those of the zone."""
    position = ("en", "zh").index(language)

    def say(alert: Alert) -> str:
        named = [name for name in ("queue", "name") if alert.queue or name in alert.values]
        parts = (alert.code, *named[:1], *(["over"] if alert.is_over else []))
        shown = {name: _shown(value, zone) for name, value in alert.values.items()}
        age = _age(float(alert.values.get("seconds", 0)), position)
        minutes = FAILURE_SECONDS // 60
        return _SAID[parts][position].format(**shown, queue=alert.queue, age=age, minutes=minutes)

    return say


def _shown(value: Any, zone: ZoneInfo) -> str:
    if isinstance(value, datetime):
        return from_database(value).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")
    return str(value)


def _age(seconds: float, position: int) -> str:
    for length, *words in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.3g} {words[position]}"
    return f"{seconds:.0f} {('s', '秒')[position]}"
