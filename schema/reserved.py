"""Names that are the system's own: a client gives its tasks others."""

CALLBACK_QUEUE = "callbacks"
"""Queue of the tasks that announce the ends of others; lists leave it out unless asked."""

CALLBACK_TYPE = "callback"
