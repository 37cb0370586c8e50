"""What the views are for, and those of their columns that no table has.

Not every server keeps comments on views, so they stand here.
"""

VIEWS = {
    "v_queue_depth": "Queues: how many tasks wait, run and have finished, and what limits them",
    "v_running": "Tasks in progress: who runs them, since when, and what time is left",
    "v_expiring": "Leases that are over or will be within a minute",
    "v_waiting": "Tasks that wait, and what holds them back. Name an id, or a queue with a LIMIT",
    "v_failures": "Failed attempts of the last 24 hours, by error; of the latest 100,000 attempts",
    "v_attempts": "Ended attempts, with their times. Name a task_id, or a range of ended_at",
    "v_workers": "Worker processes: how busy, and for how long silent",
    "v_schedules": "Schedules: when they fire next, and what became of their last task",
    "v_throughput": "Attempts that ended in each minute of the last hour; of the latest 200,000",
}

COLUMNS = {
    "queue": "Queue",
    "waiting": "Tasks in to_do and retrying, as counted at counted_at",
    "in_progress": "Tasks in progress, as of now",
    "paused": "Paused tasks, as counted at counted_at",
    "done": "Tasks that are done, as counted at counted_at",
    "cancelled": "Cancelled tasks, as counted at counted_at",
    "oldest_age_seconds": "For how long the oldest due task has been due; 0: none is",
    "worker_status": "Whether its worker lives",
    "running_seconds": "How long it ran, or has run",
    "seconds_left": "What is left until then; negative: it is over",
    "waiting_seconds": "For how long it has been due, or had been when it was claimed",
    "position": "1 is claimed next; NULL: more than 1,000 wait in its queue",
    "reason": "What has to change before it is claimed: dispatcher, worker, worker_queue,"
    " worker_type, available_at, paused_queue, max_concurrency, rate_limit, or only its turn",
    "attempts": "Attempts that failed so",
    "tasks": "Tasks that these attempts are of",
    "failed_tasks": "Those of the tasks that have failed for good",
    "first_at": "When the first of them ended (UTC)",
    "last_at": "When the last of them ended (UTC)",
    "busy": "Tasks that it runs",
    "silent_seconds": "For how long its heart has not beaten",
    "last_task_status": "Where its last task stands; NULL: it is gone",
    "minute": "Minute (UTC)",
    "ended": "Attempts that ended in it",
    "succeeded": "Those that succeeded",
    "failed": "Those that failed, timed out, were lost or crashed",
    "others": "Those that were cancelled, snoozed, held or released",
    "average_waiting_seconds": "How long they had waited, on average",
    "average_running_seconds": "How long they ran, on average",
}

OWN = {
    ("v_failures", "last_task_id"): "The newest task among them",
    ("v_failures", "message"): "The message of one of them",
    ("v_queue_depth", "failed"): "Failed tasks, as counted at counted_at",
    ("v_schedules", "seconds_left"): "What is left until it fires; negative: it is late",
}
"""Where a column means something else than in its table or in the other views."""

TABLES = {
    "v_queue_depth": ("queues", "queue_counts"),
    "v_running": ("tasks", "workers"),
    "v_expiring": ("tasks",),
    "v_waiting": ("tasks",),
    "v_failures": ("tasks", "task_attempts"),
    "v_attempts": ("task_attempts", "tasks"),
    "v_workers": ("workers",),
    "v_schedules": ("schedules",),
    "v_throughput": (),
}
"""Where the columns of a view come from; the first that has one says what it means."""
