"""Why a task is not running, in English and in Chinese, by the reason's code."""

from collections.abc import Mapping
from typing import Any

from api.catalogue import Sentence, in_language
from api.languages import Language
from schema.waiting import WaitsFor
from schema.why import Standing

Explained = tuple[Sentence, Sentence]
"""What it is, and what to do about it."""

TEXTS: Mapping[str, Explained] = {
    WaitsFor.DISPATCHER: (
        (
            "The dispatcher has been stopped since {since}: nothing is claimed anywhere.",
            "调度器自 {since} 起已停止，不会领取任何任务。",
        ),
        ("Start it: POST /dispatcher/start.", "启动调度器：POST /dispatcher/start。"),
    ),
    WaitsFor.WORKER: (
        ("No worker is alive.", "没有存活的工作者。"),
        (
            "Start one: python -m worker. GET /workers shows how the last ones ended.",
            "启动工作者：python -m worker。GET /workers 可查看之前的工作者如何结束。",
        ),
    ),
    WaitsFor.WORKER_QUEUE: (
        (
            "Of the workers that are alive ({workers}), none takes queue {queue}.",
            "有 {workers} 个工作者存活，但都不处理队列 {queue}。",
        ),
        (
            "Add {queue} (or *) to WORKER_QUEUES of a worker.",
            "在某个工作者的 WORKER_QUEUES 中加入 {queue}（或 *）。",
        ),
    ),
    WaitsFor.WORKER_TYPE: (
        (
            "Of the workers that take queue {queue} ({workers}), none can run {task_type}.",
            "处理队列 {queue} 的 {workers} 个工作者都不能执行 {task_type}。",
        ),
        (
            "Name its handler's module in WORKER_HANDLERS; python -m worker --check lists types.",
            "在 WORKER_HANDLERS 中加入其处理程序的模块；python -m worker --check 会列出类型。",
        ),
    ),
    WaitsFor.AVAILABLE_AT: (
        ("It is not due until {until}.", "要到 {until} 才可执行。"),
        (
            'Wait, or move it to now: POST /tasks/{task_id}/reorder with {{"to": "first"}}.',
            '等待，或立即执行：POST /tasks/{task_id}/reorder，内容为 {{"to": "first"}}。',
        ),
    ),
    WaitsFor.PAUSED_QUEUE: (
        (
            "Queue {queue} has been paused since {since}.",
            "队列 {queue} 自 {since} 起已暂停。",
        ),
        ("Resume it: POST /queues/{queue}/resume.", "恢复队列：POST /queues/{queue}/resume。"),
    ),
    WaitsFor.MAX_CONCURRENCY: (
        (
            "Queue {queue} may run {limit} at once, and does: tasks {task_ids}.",
            "队列 {queue} 最多同时执行 {limit} 个任务，已被以下任务占满：{task_ids}。",
        ),
        (
            "Wait until one ends, stop one, or raise max_concurrency: PATCH /queues/{queue}.",
            "等待其中之一结束、停止其中之一，或提高 max_concurrency：PATCH /queues/{queue}。",
        ),
    ),
    WaitsFor.RATE_LIMIT: (
        (
            "Queue {queue} has used up its starts, {limit} in {seconds} s.",
            "队列 {queue} 在 {seconds} 秒内可启动的 {limit} 个任务已用完。",
        ),
        (
            "Wait, or raise rate_limit: PATCH /queues/{queue}.",
            "等待，或提高 rate_limit：PATCH /queues/{queue}。",
        ),
    ),
    WaitsFor.TURN: (
        (
            "Nothing holds it back; tasks of queue {queue} that go before it: {ahead}.",
            "没有阻碍；队列 {queue} 中有 {ahead} 个任务排在它前面。",
        ),
        (
            'Wait, add workers, or POST /tasks/{task_id}/reorder with {{"to": "first"}}.',
            '等待、增加工作者，或 POST /tasks/{task_id}/reorder，内容为 {{"to": "first"}}。',
        ),
    ),
    Standing.RUNNING: (
        (
            "Worker {worker_id} has held it since {since}, until {until} at most.",
            "自 {since} 起由工作者 {worker_id} 持有，最晚到 {until}。",
        ),
        (
            "Wait, or end it: POST /tasks/{task_id}/stop.",
            "等待，或停止它：POST /tasks/{task_id}/stop。",
        ),
    ),
    Standing.STOPPING: (
        (
            "It was told to stop at {since}; worker {worker_id} has not ended it yet.",
            "已于 {since} 要求停止，工作者 {worker_id} 尚未结束它。",
        ),
        (
            "Wait: after STOP_GRACE_SECONDS the reaper ends it.",
            "等待：超过 STOP_GRACE_SECONDS 后由 reaper 结束。",
        ),
    ),
    Standing.PAUSED: (
        ("It has been paused since {since}.", "自 {since} 起已暂停。"),
        ("Resume it: POST /tasks/{task_id}/resume.", "恢复它：POST /tasks/{task_id}/resume。"),
    ),
    Standing.FINISHED: (
        ("It has been {status} since {since}.", "自 {since} 起状态为 {status}。"),
        (
            "A failed or cancelled one begins anew with POST /tasks/{task_id}/start.",
            "失败或已取消的任务可用 POST /tasks/{task_id}/start 重新开始。",
        ),
    ),
}

BY: Sentence = (" By {actor}.", "操作者：{actor}。")
UNTIL: Sentence = (" It resumes by itself at {until}.", "将于 {until} 自动恢复。")
BECAUSE: Sentence = (" Reason: {reason}", "原因：{reason}")


def explained(code: str, values: Mapping[str, Any], language: Language) -> tuple[str, str]:
    """Return what a reason is and what to do about it, as sentences."""
    detail, remedy = TEXTS[code]
    parts = [detail]
    if values.get("actor"):
        parts.append(BY)
    if code == WaitsFor.PAUSED_QUEUE and values.get("until"):
        parts.append(UNTIL)
    if values.get("reason"):
        parts.append(BECAUSE)
    said = "".join(in_language(part, language) for part in parts)
    return said.format_map(values), in_language(remedy, language).format_map(values)
