"""The hot statements, as text: building them anew for every batch would cost more than they do.

The claim index (claimable, queue, priority, available_at, id) is the order of the claim. Every
range of the locking SELECT lies within one queue and one priority, so that it locks what it
takes and nothing else.
"""

from schema.limits import MOST_TAKEOVERS
from schema.models.queues import Queue
from schema.models.schedules import DUE_INDEX
from schema.models.tasks import CLAIM_INDEX, KEY_INDEX, STATUS_INDEX, TAG_INDEX, Task
from schema.states import Priority
from schema.workflows import TASK_TYPE as WORKFLOW

_CLAIM = f"""SELECT id, fence, title, task_type, account_id, timeout_seconds,
    current_retry_count, available_at, traceparent, checkpoint,
    retry_limit, run_fence, callback_url IS NOT NULL
FROM tasks FORCE INDEX ({CLAIM_INDEX})
WHERE claimable = 1 AND queue = %s AND priority = %s AND """

_TAKE = " ORDER BY available_at, id LIMIT %s FOR UPDATE SKIP LOCKED"

CLAIM = f"{_CLAIM}available_at <= %s{_TAKE}"
"""Lock due tasks of one queue and priority. Parameters: queue, priority, now, limit."""

CLAIM_ONWARD = (
    f"{_CLAIM}(available_at = %s AND id > %s OR available_at > %s AND available_at <= %s){_TAKE}"
)
"""The same from behind a task claimed before: queue, priority, moment, id, moment, now, limit.

Behind it lie only the index entries that a held snapshot keeps from being purged.
"""

ANY_CLAIMABLE = f"SELECT 1 FROM tasks FORCE INDEX ({CLAIM_INDEX}) WHERE claimable = 1 LIMIT 1"
"""Whether there is anything to claim now or later, in one look at the index."""

CLAIMABLE_IN = (
    f"(SELECT %s FROM tasks FORCE INDEX ({CLAIM_INDEX})"
    " WHERE claimable = 1 AND queue = %s AND priority = %s LIMIT 1)"
)
"""Whether one queue and priority has anything; joined by UNION ALL: position, queue, priority.

The locking SELECT of an empty range would run on through its neighbour's dead entries.
"""

TAKE_LEASES = """UPDATE tasks FORCE INDEX (PRIMARY)
SET status = 'in_progress', fence = fence + 1, worker_id = %s, started_at = %s,
    lease_expires_at = %s + INTERVAL timeout_seconds SECOND, version = version + 1
WHERE id IN ({ids}) AND status IN ('to_do', 'retrying')"""
"""Give the locked tasks to a worker: worker, now, now, ids. Now is the moment of the SELECT."""

DETAILS = """SELECT task_id, payload, NULL AS tag FROM task_payloads WHERE task_id IN ({ids})
UNION ALL SELECT task_tags.task_id, NULL, tags.name
FROM task_tags JOIN tags ON tags.id = task_tags.tag_id
WHERE task_tags.task_id IN ({ids})"""
"""Payloads and tags of tasks in one answer: a row has the one or the other."""

SETTLE = """UPDATE tasks FORCE INDEX (PRIMARY)
SET {changes}, lease_expires_at = NULL, worker_id = NULL, stage = NULL, stop_requested_at = NULL,
    version = version + 1
WHERE status = 'in_progress' AND (id, fence) IN ({holds}) AND {guard}"""
"""End the leases in `holds`, "(id,fence),(id,fence)"; the changes say what becomes of the tasks."""

LOCK_HELD = f"""SELECT id, fence, queue, worker_id, timeout_seconds, current_retry_count,
    available_at, started_at,
    UTC_TIMESTAMP(6) AS now, lease_expires_at <= UTC_TIMESTAMP(6) AS is_over,
    stop_requested_at, stop_requested_at IS NOT NULL AS is_stopping,
    delete_requested_at IS NOT NULL AS is_deleted,
    (checkpoint_fence <=> fence OR task_type = '{WORKFLOW}')
        AND lost_count < {MOST_TAKEOVERS} AS is_resumable,
    current_retry_count >= retry_limit AS is_last, callback_url IS NOT NULL AS has_callback
FROM tasks FORCE INDEX (PRIMARY)
WHERE id IN ({{ids}}) AND status = 'in_progress'
ORDER BY id FOR UPDATE"""
"""Lock tasks in progress by id and read what decides about them.

A workflow of RunningHub saves before all else: one that died before has done nothing yet.
"""

INSERT_ATTEMPTS = """INSERT INTO task_attempts (task_id, fence, attempt, worker_id, available_at,
    started_at, ended_at, outcome, error_class, message, traceback, result)"""

RECORDED = """SELECT task_id, fence, worker_id, ended_at, outcome FROM task_attempts
WHERE (task_id, fence) IN ({keys})"""
"""Ended attempts by key. Worker and end tell an attempt's own settle from the reaper's."""

OVERDUE = f"""SELECT id FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status = 'in_progress' AND lease_expires_at <= UTC_TIMESTAMP(6) LIMIT %s"""
"""Ids of leases that are over, without locks. What is in progress is bounded by the slots."""

ORPHANED = f"""SELECT tasks.id FROM tasks FORCE INDEX ({STATUS_INDEX})
JOIN workers ON workers.id = tasks.worker_id AND workers.status IN ('stopped', 'dead')
WHERE tasks.status = 'in_progress' LIMIT %s"""
"""Ids of leases whose workers are gone, without locks."""

UNHEEDED = f"""SELECT id FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status = 'in_progress' AND stop_requested_at <= UTC_TIMESTAMP(6) - INTERVAL %s SECOND
LIMIT %s"""
"""Ids of tasks that were asked to stop so many seconds ago, without locks."""

SAVE = """UPDATE tasks FORCE INDEX (PRIMARY)
SET checkpoint = %s, checkpoint_fence = fence, version = version + 1
WHERE id = %s AND fence = %s AND status = 'in_progress'"""
"""Save a checkpoint under its fence: checkpoint, id, fence."""

UNLOCKED = """SELECT id, fence FROM tasks FORCE INDEX (PRIMARY)
WHERE id IN ({ids}) AND status = 'in_progress' ORDER BY id FOR UPDATE SKIP LOCKED"""
"""Lock those tasks in progress that nobody else has locked."""

REPORT = """UPDATE tasks FORCE INDEX (PRIMARY)
SET version = version + (NOT stage <=> COALESCE(%s, stage)), stage = COALESCE(%s, stage),
    progress = COALESCE(%s, progress), progress_message = %s
WHERE id = %s AND fence = %s AND status = 'in_progress'"""
"""Report progress under its fence: stage, stage, percent, message, id, fence."""

NOTICED = """SELECT id, version, status, queue FROM tasks FORCE INDEX (PRIMARY)
WHERE id IN ({ids}) AND delete_requested_at IS NULL"""
"""What a change notice says of tasks, in the order of `changes.Notice`."""

HOLDS = """SELECT id, fence, stop_requested_at IS NOT NULL AS is_stopping
FROM tasks FORCE INDEX (PRIMARY) WHERE id IN ({ids}) AND status = 'in_progress'"""
"""What the database says of leases that a worker believes to hold."""

HELD_BY = f"""SELECT id, fence FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status = 'in_progress' AND worker_id = %s"""
"""All leases that the database says a worker holds."""

LOCK_FOR_VERB = """SELECT id, status, stage, queue, priority, current_retry_count, unique_key,
    version, stop_requested_at IS NOT NULL AS is_stopping, callback_url IS NOT NULL AS has_callback
FROM tasks FORCE INDEX (PRIMARY)
WHERE id IN ({ids}) AND delete_requested_at IS NULL
ORDER BY id FOR UPDATE"""
"""Lock tasks by id and read what decides about a person's verb."""

VERB = """UPDATE tasks FORCE INDEX (PRIMARY) SET {changes}, version = version + 1
WHERE id IN ({ids}) AND status IN ({statuses}) AND delete_requested_at IS NULL"""
"""Do a person's verb to locked tasks, guarded by the statuses that were judged."""

KEY_HOLDERS = f"""SELECT live_unique_key, id FROM tasks FORCE INDEX ({KEY_INDEX})
WHERE live_unique_key IN ({{keys}}) LOCK IN SHARE MODE"""
"""Which unfinished tasks have these keys. The locks lie on the index alone: the tasks stay
unfinished and there until the end of the transaction, and what was just written is waited for."""

FOREMOST = f"""SELECT LEAST(COALESCE(MIN(available_at), UTC_TIMESTAMP(6)), UTC_TIMESTAMP(6))
FROM tasks FORCE INDEX ({CLAIM_INDEX})
WHERE claimable = 1 AND queue = %s AND priority = %s"""
"""The moment of the foremost task of a queue and priority, or now."""

_UNREAD = {
    "claimable",
    "live_unique_key",
    "run_fence",
    "checkpoint",
    "checkpoint_fence",
    "snooze_count",
    "lost_count",
    "delete_requested_at",
}

TASK_FIELDS = tuple(column.key for column in Task.__table__.c if column.key not in _UNREAD)
"""Columns of `tasks` that are read of every task: each costs a reader as much as the server."""

TASK_COLUMNS = f"""{", ".join(f"tasks.{name}" for name in TASK_FIELDS)},
    (SELECT JSON_ARRAYAGG(tags.name) FROM task_tags JOIN tags ON tags.id = task_tags.tag_id
        WHERE task_tags.task_id = tasks.id) AS tags"""
"""What lists show of a task: TASK_FIELDS, and its tags as JSON."""

TASK = f"""SELECT {TASK_COLUMNS}, tasks.checkpoint, task_payloads.payload, task_attempts.result
FROM tasks LEFT JOIN task_payloads ON task_payloads.task_id = tasks.id
LEFT JOIN task_attempts
    ON task_attempts.task_id = tasks.id AND task_attempts.fence = tasks.fence
WHERE tasks.id = %s AND tasks.delete_requested_at IS NULL"""
"""A task with what lists leave out: id."""

TASKS = f"""SELECT {TASK_COLUMNS} FROM tasks FORCE INDEX (PRIMARY)
WHERE tasks.id IN ({{ids}}) AND tasks.delete_requested_at IS NULL"""
"""Tasks by their ids."""

MARKS = """SELECT id, version, updated_at FROM tasks FORCE INDEX (PRIMARY)
WHERE id IN ({ids}) AND delete_requested_at IS NULL"""
"""Which states tasks are in."""

STATUS_QUEUES = f"""(SELECT '{{status}}', name FROM queues
WHERE (SELECT 1 FROM tasks FORCE INDEX ({STATUS_INDEX})
    WHERE tasks.status = '{{status}}' AND tasks.queue = queues.name LIMIT 1) = 1)"""
"""Queues that have a task of a status, by one look at the index each; joined by UNION ALL."""

TAGGED = f"""SELECT task_id FROM task_tags FORCE INDEX ({TAG_INDEX})
WHERE tag_id = %s AND task_id > %s ORDER BY task_id LIMIT %s"""
"""Ids of the tasks that have a tag, from behind one: tag, id, limit."""

TOUCH = """UPDATE tasks FORCE INDEX (PRIMARY) SET version = version + 1 WHERE id IN ({ids})"""
"""Give tasks a new version, for what was changed beside their rows."""

TAG_COUNT = f"""(SELECT %s AS id, COUNT(*) AS tasks FROM (SELECT 1
    FROM task_tags FORCE INDEX ({TAG_INDEX}) WHERE tag_id = %s LIMIT %s) AS some)"""
"""How many tasks have a tag, up to a limit; joined by UNION ALL: tag, tag, limit."""

_IS_CLOSED = "(is_paused AND COALESCE(resume_at > UTC_TIMESTAMP(6), 1))"
_IS_LIMITED = "(max_concurrency IS NOT NULL OR rate_limit IS NOT NULL)"

_TOKENS = """LEAST(rate_limit, COALESCE(rate_tokens, rate_limit)
    + COALESCE(TIMESTAMPDIFF(MICROSECOND, rate_refilled_at, UTC_TIMESTAMP(6)), 0)
    / 1e6 * rate_limit / rate_period_seconds)"""

_RUNNING_IN = f"""(SELECT COUNT(*) FROM tasks FORCE INDEX ({STATUS_INDEX})
    WHERE status = 'in_progress' AND queue = queues.name)"""
"""Live leases of a queue, beside a row of it; what is in progress is bounded by the slots."""

GATE_NAMES = f"""SELECT now, name, {_IS_CLOSED} AS is_closed, {_IS_LIMITED} AS is_limited
FROM (SELECT UTC_TIMESTAMP(6) AS now) AS clock LEFT JOIN queues ON TRUE ORDER BY name"""
"""The time and the queues there are, without locks."""

GATE_ROOM = f"""SELECT name, EXISTS (SELECT 1 FROM tasks FORCE INDEX ({CLAIM_INDEX})
        WHERE claimable = 1 AND queue = queues.name) AS has_work,
    COALESCE(max_concurrency <= {_RUNNING_IN}, 0) AS is_full,
    COALESCE({_TOKENS} < 1, 0) AS is_spent
FROM queues FORCE INDEX (PRIMARY) WHERE name IN ({{names}})"""
"""Which of the queues with limits are worth a lock, without locks."""

GATE_OPEN = f"""SELECT name, {_IS_CLOSED} AS is_closed, {_IS_LIMITED} AS is_limited
FROM queues FORCE INDEX (PRIMARY) WHERE name IN ({{names}}) LOCK IN SHARE MODE"""
"""Queues without limits, so that a pause waits for this claim."""

GATE_LIMITED = f"""SELECT name, {_IS_CLOSED} AS is_closed, max_concurrency, rate_limit,
    {_TOKENS} AS tokens
FROM queues FORCE INDEX (PRIMARY) WHERE name IN ({{names}}) ORDER BY name FOR UPDATE"""
"""Queues with limits, one claim at a time."""

GATE_RUNNING = f"""SELECT name, UTC_TIMESTAMP(6) AS now, {_RUNNING_IN} AS running
FROM queues WHERE name IN ({{names}})"""
"""Live leases of locked queues, and a time behind the end of those that are not counted."""

SPEND_TOKENS = f"""UPDATE queues SET rate_tokens = {_TOKENS} - %s,
    rate_refilled_at = UTC_TIMESTAMP(6)
WHERE name = %s AND rate_limit IS NOT NULL"""
"""Fill the bucket of a queue up to now and take from it: tokens, queue."""

DUE_SCHEDULES = f"""SELECT id FROM schedules FORCE INDEX ({DUE_INDEX})
WHERE status = 'active' AND next_execution_time <= UTC_TIMESTAMP(6)
ORDER BY next_execution_time LIMIT %s"""
"""Ids of schedules that are due, the longest overdue first, without locks."""

QUEUE_DEFAULTS = """SELECT now, name, timeout_seconds, retry_limit
FROM (SELECT UTC_TIMESTAMP(6) AS now) AS clock LEFT JOIN queues ON name IN ({names})"""
"""The time, and what queues give to their tasks; one row without a name where there is none."""

_DUE_SINCE = f"""COALESCE((SELECT available_at FROM tasks FORCE INDEX ({CLAIM_INDEX})
    WHERE claimable = 1 AND queue = queues.name AND priority = '{{priority}}'
    ORDER BY claimable, queue, priority, available_at LIMIT 1), UTC_TIMESTAMP(6))"""

_QUEUE = f"""SELECT {", ".join(column.key for column in Queue.__table__.c)},
    UTC_TIMESTAMP(6) AS now, {_RUNNING_IN} AS in_progress,
    LEAST({", ".join(_DUE_SINCE.format(priority=each) for each in Priority)}) AS due_since,
    (SELECT CAST(COALESCE(SUM(task_count), 0) AS SIGNED) FROM queue_counts
        WHERE queue = queues.name AND status IN ('to_do', 'retrying')) AS depth,
    (SELECT MAX(counted_at) FROM queue_counts) AS counted_at
FROM queues FORCE INDEX (PRIMARY)"""

QUEUE = f"{_QUEUE} WHERE name = %s"
"""A queue and how it stands. The foremost of each priority is one entry of the claim index, if the
whole order is named: beside a row of `queues` MySQL sorts by available_at alone."""

QUEUE_PAGE = f"{_QUEUE} WHERE name > %s ORDER BY name LIMIT %s"
"""Queues by their names: after, limit."""

QUEUE_STANDINGS = f"""SELECT name, UTC_TIMESTAMP(6) AS now, {_IS_CLOSED} AS is_closed,
    paused_reason, paused_at, resume_at,
    LEAST({", ".join(_DUE_SINCE.format(priority=each) for each in Priority)}) AS due_since
FROM queues FORCE INDEX (PRIMARY) ORDER BY name LIMIT %s"""
"""Which queues are paused, and since when the oldest of their due tasks is due: limit."""

_IS_OLD = "created_at < UTC_TIMESTAMP(6) - INTERVAL 24 HOUR"

BEGIN_ANSWER = f"""INSERT INTO idempotency_keys (`key`, principal, fingerprint, created_at)
VALUES (%s, %s, %s, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE fingerprint = IF({_IS_OLD}, %s, fingerprint),
    status_code = IF({_IS_OLD}, NULL, status_code),
    created_at = IF({_IS_OLD}, UTC_TIMESTAMP(6), created_at)"""
"""Take a key, or wait for who has it: key, principal, fingerprint, fingerprint. Without the UPDATE
all who wait would get a shared lock when the first is rolled back, and deadlock."""

OLD_ANSWERS = f"""SELECT `key`, principal
FROM idempotency_keys FORCE INDEX (ix_idempotency_keys_created_at)
WHERE {_IS_OLD} ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED"""
"""Lock keys whose time is over, the oldest first, that nobody else has locked."""

COUNTED_WAITING = """SELECT CAST(COALESCE(SUM(task_count), 0) AS SIGNED) FROM queue_counts
WHERE queue = %s AND status IN ('to_do', 'retrying')"""
"""Waiting tasks of a queue, as the reaper counted them last."""

WAITING_UP_TO = f"""SELECT COUNT(*) FROM (SELECT 1 FROM tasks FORCE INDEX ({CLAIM_INDEX})
    WHERE claimable = 1 AND queue = %s LIMIT %s) AS waiting"""
"""Waiting tasks of a queue, as of now, counted up to a limit."""

COUNT_EXACTLY = """SELECT queue, status, priority, COUNT(*) FROM tasks
WHERE delete_requested_at IS NULL GROUP BY queue, status, priority"""
"""How many tasks there are; reads every row."""

COUNT_QUICKLY = f"""SELECT queue, 'to_do', priority, COUNT(*)
FROM tasks FORCE INDEX ({CLAIM_INDEX}) WHERE claimable = 1 GROUP BY queue, priority
UNION ALL
SELECT queue, status, priority, COUNT(*) FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status IN ('in_progress', 'retrying', 'paused') AND delete_requested_at IS NULL
GROUP BY status, queue, priority
UNION ALL
SELECT queue, status, NULL, COUNT(*) FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status IN ('done', 'failed', 'cancelled') GROUP BY status, queue"""
"""The same by indexes: to_do has retrying in it, and what has finished no priority."""

COUNT_QUEUED = f"""SELECT COUNT(*) FROM tasks FORCE INDEX ({STATUS_INDEX})
WHERE status = 'in_progress' AND stage = 'QUEUED' AND delete_requested_at IS NULL"""
"""Live leases whose handlers say that a remote system has not begun; bounded by the slots."""

WAITS_FOR = "SELECT reason FROM v_waiting WHERE id = %s"
"""What holds a task back that waits."""

WHY = f"""SELECT tasks.id, tasks.status, tasks.stage, tasks.queue, tasks.priority, tasks.task_type,
    tasks.available_at, tasks.worker_id, tasks.started_at, tasks.lease_expires_at,
    tasks.stop_requested_at, tasks.finished_at, tasks.updated_at, tasks.last_error,
    UTC_TIMESTAMP(6) AS now, {_IS_CLOSED} AS is_closed, paused_reason, paused_by,
    paused_at, resume_at, max_concurrency, COALESCE(max_concurrency <= {_RUNNING_IN}, 0) AS is_full,
    rate_limit, rate_period_seconds, COALESCE({_TOKENS} < 1, 0) AS is_spent
FROM tasks LEFT JOIN queues ON queues.name = tasks.queue
WHERE tasks.id = %s AND tasks.delete_requested_at IS NULL"""
"""A task and its queue, as far as they say why it is not running: id."""
