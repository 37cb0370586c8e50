"""How long and how large things may be: the same for columns, requests and handlers."""

NAME_LENGTH = 100
"""Names of queues, task types and tags."""

ACCOUNT_LENGTH = 128
TITLE_LENGTH = 255
KEY_LENGTH = 255
WORKER_ID_LENGTH = 32
ERROR_CLASS_LENGTH = 255
PROGRESS_MESSAGE_LENGTH = 500

MOST_AT_ONCE = 1_000
"""Tasks that one request may create, or change before its answer."""

SETTING_REASON_LENGTH = 500
"""Why the dispatcher was started or stopped."""

LARGEST_LIMIT = 1_000_000
"""The largest limits of a queue: tasks in progress, starts per period."""

LONGEST_PERIOD_SECONDS = 2_678_400
LONGEST_PAUSE_SECONDS = 31_536_000
"""Of a queue that resumes by itself."""

LONGEST_RETENTION_DAYS = 36_500

MOST_CRASHES = 3
"""Attempts that may take their executor down before the task is failed."""

MOST_TAKEOVERS = 10
"""Attempts that may be taken over from dead workers without counting a retry."""

MOST_SNOOZES = 1_000
"""Times that a handler may put a task off before it is failed."""

CALLBACK_RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
"""After how long a callback that was not taken is sent again: eight attempts within 28 hours."""

COUNT_LIMIT = 10_000
"""A total is counted up to here: counting a million rows takes seconds."""
