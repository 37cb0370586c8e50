"""Strong entity tags."""

import hashlib

from schema.listing import TaskRow


def task_etag(task: TaskRow) -> str:
    """Return the tag of a task: its version, and when it was changed, in SQL too."""
    return f'"{task["version"]}-{task["updated_at"].isoformat()}"'


def content_etag(content: bytes, link: str = "") -> str:
    """Return the tag of an answer by its bytes, and the address of its next page."""
    digest = hashlib.sha1(content, usedforsecurity=False)
    digest.update(link.encode())
    return f'"{digest.hexdigest()}"'
