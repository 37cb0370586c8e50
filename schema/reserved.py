"""Names that are the system's own: a client gives its tasks others."""

CALLBACK_QUEUE = "callbacks"
"""Queue of the tasks that announce the ends of others; lists leave it out unless asked."""

CALLBACK_TYPE = "callback"

CANCEL_QUEUE = "cancellations"
"""Queue of the tasks that cancel runs of RunningHub which nobody watches any more."""

CANCEL_TYPE = "runninghub.cancel"

NAMES = frozenset({CALLBACK_QUEUE, CALLBACK_TYPE, CANCEL_QUEUE, CANCEL_TYPE})

FOR_WHO_HAS_SECRETS = (CALLBACK_QUEUE, CANCEL_QUEUE)
"""Queues of tasks that only workers with our settings can run."""
