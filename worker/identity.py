"""Who a worker process is to the database."""

import os
import secrets

from schema.runtime.settings import host_name


class Identity:
    """An id that says where the process is and is no other start's: host:pid:random."""

    def __init__(self) -> None:
        self.id = _new_id()

    def renew(self) -> str:
        """Take a new id, when the old one was called dead; return the old one."""
        old, self.id = self.id, _new_id()
        return old


def _new_id() -> str:
    return f"{host_name()[:15]}:{os.getpid()}:{secrets.token_hex(4)}"
