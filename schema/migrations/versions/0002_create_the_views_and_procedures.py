"""Create the views that people read, and the procedures by which they intervene."""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NOW = "UTC_TIMESTAMP(6)"
IN_PROGRESS = "tasks FORCE INDEX (ix_tasks_status_queue_id)"
CLAIMABLE = "tasks FORCE INDEX (ix_tasks_claim)"


def _seconds(since: str, until: str) -> str:
    return f"ROUND(TIMESTAMPDIFF(MICROSECOND, {since}, {until}) / 1000000, 3)"


def _counted(*statuses: str) -> str:
    """How many tasks of a queue were in these statuses when the reaper counted them."""
    words = ", ".join(f"'{status}'" for status in statuses)
    return (
        "(SELECT CAST(COALESCE(SUM(task_count), 0) AS SIGNED) FROM queue_counts"
        f" WHERE queue_counts.queue = queues.name AND queue_counts.status IN ({words}))"
    )


def _running_in(queue: str) -> str:
    return (
        f"(SELECT COUNT(*) FROM {IN_PROGRESS}"
        f" WHERE tasks.status = 'in_progress' AND tasks.queue = {queue})"
    )


def _foremost(priority: str) -> str:
    return (
        f"COALESCE((SELECT tasks.available_at FROM {CLAIMABLE} WHERE tasks.claimable = 1"
        f" AND tasks.queue = queues.name AND tasks.priority = '{priority}'"
        " ORDER BY tasks.claimable, tasks.queue, tasks.priority, tasks.available_at LIMIT 1),"
        f" {NOW})"
    )


IS_CLOSED = f"(queues.is_paused AND COALESCE(queues.resume_at > {NOW}, 1))"

TOKENS = f"""LEAST(queues.rate_limit, COALESCE(queues.rate_tokens, queues.rate_limit)
    + COALESCE(TIMESTAMPDIFF(MICROSECOND, queues.rate_refilled_at, {NOW}), 0)
    / 1e6 * queues.rate_limit / queues.rate_period_seconds)"""

# Words of WORKER_QUEUES: names, `*` for all others, `-name` for one left out; where no name is
# among them, all others are meant.
ALL_OTHERS = """(JSON_CONTAINS(workers.queues, '"*"') OR JSON_LENGTH(workers.queues)
        = COALESCE(JSON_LENGTH(JSON_SEARCH(workers.queues, 'all', '-%')), 0))"""
TAKES_QUEUE = f"""(JSON_CONTAINS(workers.queues, JSON_QUOTE(waiting.queue))
        OR {ALL_OTHERS}
        AND NOT JSON_CONTAINS(workers.queues, JSON_QUOTE(CONCAT('-', waiting.queue))))"""
KNOWS_TYPE = "JSON_CONTAINS(workers.task_types, JSON_QUOTE(waiting.task_type))"


def _no_worker(*conditions: str) -> str:
    wanted = " AND ".join(["workers.status = 'alive'", *conditions])
    return f"NOT EXISTS (SELECT 1 FROM workers WHERE {wanted})"


REASON = f"""CASE
    WHEN EXISTS (SELECT 1 FROM settings WHERE settings.name = 'dispatcher'
        AND COALESCE(JSON_CONTAINS(settings.value, 'false', '$.is_running'), 0)) THEN 'dispatcher'
    WHEN {_no_worker()} THEN 'worker'
    WHEN {_no_worker(TAKES_QUEUE)} THEN 'worker_queue'
    WHEN {_no_worker(TAKES_QUEUE, KNOWS_TYPE)} THEN 'worker_type'
    WHEN waiting.available_at > {NOW} THEN 'available_at'
    WHEN {IS_CLOSED} THEN 'paused_queue'
    WHEN queues.max_concurrency <= {_running_in("waiting.queue")} THEN 'max_concurrency'
    WHEN {TOKENS} < 1 THEN 'rate_limit'
    ELSE 'turn' END"""

# Counting what is before a task reads the entries of its whole queue: 1,000 at most.
POSITION = f"""CASE WHEN (SELECT SUM(task_count) FROM queue_counts
        WHERE queue_counts.queue = waiting.queue
        AND queue_counts.status IN ('to_do', 'retrying')) > 1000 THEN NULL
    WHEN (SELECT 1 FROM {CLAIMABLE} WHERE tasks.claimable = 1 AND tasks.queue = waiting.queue
        LIMIT 1 OFFSET 1000) THEN NULL
    ELSE 1 + (SELECT COUNT(*) FROM tasks AS ahead FORCE INDEX (ix_tasks_claim)
        WHERE ahead.claimable = 1 AND ahead.queue = waiting.queue
        AND ahead.available_at <= GREATEST(waiting.available_at, {NOW})
        AND (ahead.priority + 0 < waiting.priority + 0
            OR ahead.priority = waiting.priority AND (ahead.available_at < waiting.available_at
                OR ahead.available_at = waiting.available_at AND ahead.id < waiting.id))) END"""

VIEWS = {
    "v_queue_depth": f"""SELECT queues.name AS queue,
    {_counted("to_do", "retrying")} AS waiting,
    {_running_in("queues.name")} AS in_progress,
    {_counted("paused")} AS paused,
    {_counted("done")} AS done,
    {_counted("failed")} AS failed,
    {_counted("cancelled")} AS cancelled,
    (SELECT MAX(counted_at) FROM queue_counts) AS counted_at,
    {_seconds(f"LEAST({', '.join(_foremost(each) for each in '高中低')})", NOW)}
        AS oldest_age_seconds,
    queues.max_concurrency, queues.rate_limit, queues.rate_period_seconds, queues.is_paused,
    queues.paused_reason, queues.paused_at, queues.resume_at
FROM queues""",
    "v_running": f"""SELECT tasks.id, tasks.title, tasks.queue, tasks.priority, tasks.task_type,
    tasks.account_id, tasks.worker_id, workers.host, workers.pid, workers.status AS worker_status,
    tasks.fence, tasks.current_retry_count, tasks.started_at,
    {_seconds("tasks.started_at", NOW)} AS running_seconds,
    tasks.lease_expires_at, {_seconds(NOW, "tasks.lease_expires_at")} AS seconds_left,
    tasks.stage, tasks.progress, tasks.progress_message, tasks.stop_requested_at,
    tasks.delete_requested_at
FROM {IN_PROGRESS} LEFT JOIN workers ON workers.id = tasks.worker_id
WHERE tasks.status = 'in_progress'""",
    "v_expiring": f"""SELECT tasks.id, tasks.title, tasks.queue, tasks.task_type, tasks.worker_id,
    tasks.started_at, tasks.timeout_seconds, tasks.lease_expires_at,
    {_seconds(NOW, "tasks.lease_expires_at")} AS seconds_left,
    tasks.current_retry_count, tasks.retry_limit
FROM {IN_PROGRESS}
WHERE tasks.status = 'in_progress' AND tasks.lease_expires_at <= {NOW} + INTERVAL 60 SECOND""",
    "v_waiting": f"""SELECT waiting.id, waiting.title, waiting.queue, waiting.priority,
    waiting.task_type, waiting.account_id, waiting.status, waiting.current_retry_count,
    waiting.available_at, waiting.created_at,
    GREATEST({_seconds("waiting.available_at", NOW)}, 0) AS waiting_seconds,
    {POSITION} AS position,
    {REASON} AS reason
FROM tasks AS waiting FORCE INDEX (PRIMARY, ix_tasks_claim)
    LEFT JOIN queues ON queues.name = waiting.queue
WHERE waiting.claimable = 1""",
    "v_failures": f"""SELECT tasks.queue, tasks.task_type, recent.error_class, recent.outcome,
    COUNT(*) AS attempts, COUNT(DISTINCT recent.task_id) AS tasks,
    COUNT(DISTINCT CASE WHEN tasks.status = 'failed' THEN tasks.id END) AS failed_tasks,
    MIN(recent.ended_at) AS first_at, MAX(recent.ended_at) AS last_at,
    MAX(recent.task_id) AS last_task_id, MAX(LEFT(recent.message, 200)) AS message
FROM (SELECT task_id, outcome, error_class, message, ended_at
    FROM task_attempts FORCE INDEX (ix_task_attempts_ended_at)
    WHERE ended_at > {NOW} - INTERVAL 24 HOUR ORDER BY ended_at DESC LIMIT 100000) AS recent
LEFT JOIN tasks ON tasks.id = recent.task_id
WHERE recent.outcome IN ('failed', 'timed_out', 'lost', 'crashed')
GROUP BY tasks.queue, tasks.task_type, recent.error_class, recent.outcome""",
    "v_attempts": f"""SELECT task_attempts.task_id, task_attempts.fence, task_attempts.attempt,
    tasks.title, tasks.queue, tasks.task_type, task_attempts.worker_id, task_attempts.outcome,
    task_attempts.available_at, task_attempts.started_at, task_attempts.ended_at,
    {_seconds("task_attempts.available_at", "task_attempts.started_at")} AS waiting_seconds,
    {_seconds("task_attempts.started_at", "task_attempts.ended_at")} AS running_seconds,
    task_attempts.error_class, task_attempts.message
FROM task_attempts LEFT JOIN tasks ON tasks.id = task_attempts.task_id""",
    "v_workers": f"""SELECT workers.id, workers.host, workers.pid, workers.version,
    workers.status, workers.queues, workers.task_types, workers.slots,
    COALESCE(held.busy, 0) AS busy, workers.started_at, workers.last_heartbeat_at,
    {_seconds("workers.last_heartbeat_at", NOW)} AS silent_seconds, workers.ended_at
FROM workers LEFT JOIN (SELECT tasks.worker_id, COUNT(*) AS busy FROM {IN_PROGRESS}
    WHERE tasks.status = 'in_progress' GROUP BY tasks.worker_id) AS held
    ON held.worker_id = workers.id""",
    "v_schedules": f"""SELECT schedules.id, schedules.name, schedules.status, schedules.queue,
    schedules.task_type, schedules.account_id, schedules.interval_seconds, schedules.cron,
    schedules.timezone, schedules.next_execution_time,
    {_seconds(NOW, "schedules.next_execution_time")} AS seconds_left,
    schedules.last_execution_time, schedules.round_num, schedules.max_rounds, schedules.overlap,
    schedules.misfire, schedules.last_task_id, tasks.status AS last_task_status
FROM schedules LEFT JOIN tasks ON tasks.id = schedules.last_task_id""",
    "v_throughput": f"""SELECT CAST(DATE_FORMAT(recent.ended_at, '%Y-%m-%d %H:%i:00') AS DATETIME)
        AS minute,
    COUNT(*) AS ended, CAST(SUM(recent.outcome = 'succeeded') AS SIGNED) AS succeeded,
    CAST(SUM(recent.outcome IN ('failed', 'timed_out', 'lost', 'crashed')) AS SIGNED) AS failed,
    CAST(SUM(recent.outcome IN ('cancelled', 'snoozed', 'held', 'released')) AS SIGNED) AS others,
    AVG({_seconds("recent.available_at", "recent.started_at")}) AS average_waiting_seconds,
    AVG({_seconds("recent.started_at", "recent.ended_at")}) AS average_running_seconds
FROM (SELECT outcome, available_at, started_at, ended_at
    FROM task_attempts FORCE INDEX (ix_task_attempts_ended_at)
    WHERE ended_at > {NOW} - INTERVAL 1 HOUR ORDER BY ended_at DESC LIMIT 200000) AS recent
GROUP BY minute""",
}

TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
ON_A_TASK = f"(IN task_id BIGINT, IN reason TEXT {TEXT})"
ON_A_QUEUE = f"(IN queue VARCHAR(100) {TEXT}, IN reason TEXT {TEXT})"

START = f"""status = 'to_do', current_retry_count = 0, crash_count = 0, snooze_count = 0,
        lost_count = 0, checkpoint = NULL, checkpoint_fence = NULL, progress = NULL,
        progress_message = NULL, last_error = NULL, error_class = NULL, finished_at = NULL,
        run_fence = fence + 1, available_at = created_at, version = version + 1,
        updated_at = {NOW}"""

# What a caller had under way is committed by START TRANSACTION.
OPEN = """    DECLARE found_status, next_status, refusal VARCHAR(100) CHARACTER SET utf8mb4;
    DECLARE is_stopping INT DEFAULT 0;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    START TRANSACTION;
    SELECT tasks.status, tasks.stop_requested_at IS NOT NULL INTO found_status, is_stopping
    FROM tasks WHERE tasks.id = task_id AND tasks.delete_requested_at IS NULL FOR UPDATE;"""

MISSING = """SET refusal = CONCAT('there is no task ', COALESCE(task_id, 'NULL'));
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = refusal;"""


def _refused(verb: str) -> str:
    return f"""SET refusal = CONCAT('task ', task_id, ' is ', found_status, ': {verb} is not allowed');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = refusal;"""


def _recorded(verb: str) -> str:
    return f"""INSERT INTO task_events (task_id, actor, verb, from_status, to_status, reason)
    VALUES (task_id, LEFT(USER(), 100), '{verb}', found_status, next_status, reason);"""


def _on_queue(change: str, condition: str) -> str:
    return f"""BEGIN
    DECLARE found_name, refusal VARCHAR(120) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    START TRANSACTION;
    SELECT queues.name INTO found_name FROM queues WHERE queues.name = queue FOR UPDATE;
    IF found_name IS NULL THEN
        SET refusal = LEFT(CONCAT('there is no queue ', COALESCE(queue, 'NULL')), 120);
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = refusal;
    END IF;
    UPDATE queues SET {change}, updated_at = {NOW} WHERE queues.name = queue AND ({condition});
    COMMIT;
END"""


PROCEDURES = {
    "p_start_task": (
        ON_A_TASK,
        f"""BEGIN
    DECLARE key_is_taken INT DEFAULT 0;
{OPEN}
    IF found_status IS NULL THEN
        {MISSING}
    ELSEIF found_status NOT IN ('paused', 'failed', 'cancelled') THEN
        {_refused("start")}
    END IF;
    BEGIN
        DECLARE CONTINUE HANDLER FOR 1062 SET key_is_taken = 1;
        UPDATE tasks FORCE INDEX (PRIMARY) SET {START}
        WHERE tasks.id = task_id AND tasks.status IN ('paused', 'failed', 'cancelled');
    END;
    IF key_is_taken THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'another unfinished task has its unique_key';
    END IF;
    SET next_status = 'to_do';
    {_recorded("start")}
    COMMIT;
END""",
    ),
    "p_stop_task": (
        ON_A_TASK,
        f"""BEGIN
{OPEN}
    IF found_status IS NULL THEN
        {MISSING}
    ELSEIF found_status NOT IN ('to_do', 'retrying', 'in_progress', 'cancelled') THEN
        {_refused("stop")}
    END IF;
    IF found_status IN ('to_do', 'retrying') AND EXISTS (
        SELECT 1 FROM tasks WHERE tasks.id = task_id AND tasks.callback_url IS NOT NULL
    ) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'its end is told to a callback_url: stop it over HTTP';
    END IF;
    IF found_status <> 'cancelled' AND NOT is_stopping THEN
        SET next_status = IF(found_status = 'in_progress', 'in_progress', 'cancelled');
        IF found_status = 'in_progress' THEN
            UPDATE tasks FORCE INDEX (PRIMARY) SET stop_requested_at = {NOW}, version = version + 1, updated_at = {NOW}
            WHERE tasks.id = task_id AND tasks.status = 'in_progress';
        ELSE
            UPDATE tasks FORCE INDEX (PRIMARY) SET status = 'cancelled', finished_at = {NOW}, version = version + 1,
                updated_at = {NOW}
            WHERE tasks.id = task_id AND tasks.status IN ('to_do', 'retrying');
        END IF;
        {_recorded("stop")}
    END IF;
    COMMIT;
END""",
    ),
    "p_pause_queue": (
        ON_A_QUEUE,
        _on_queue(
            f"paused_at = COALESCE(paused_at, {NOW}), is_paused = 1, paused_reason = reason,"
            " resume_at = NULL",
            "is_paused = 0 OR resume_at IS NOT NULL",
        ),
    ),
    "p_resume_queue": (
        ON_A_QUEUE,
        _on_queue(
            "is_paused = 0, paused_reason = NULL, paused_at = NULL, resume_at = NULL",
            "is_paused = 1",
        ),
    ),
}


def upgrade() -> None:
    for name, query in VIEWS.items():
        # MySQL would make a table of all rows of a view with subqueries, whatever LIMIT says.
        how = "UNDEFINED" if "GROUP BY" in query else "MERGE"
        op.execute(_plain(f"CREATE ALGORITHM={how} SQL SECURITY INVOKER VIEW {name} AS {query}"))
    for name, (parameters, body) in PROCEDURES.items():
        head = f"CREATE PROCEDURE {name}{parameters} MODIFIES SQL DATA SQL SECURITY DEFINER"
        op.execute(_plain(f"{head}\n{body}"))


def downgrade() -> None:
    for name in PROCEDURES:
        op.execute(f"DROP PROCEDURE {name}")
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")


def _plain(statement: str) -> str:
    """Return the statement with what would be read as a parameter's mark made plain."""
    return statement.replace(":", "\\:")
