"""Who a worker process is to the database."""

import os
import secrets

from schema.runtime.settings import host_name


class Identity:
    """The id under which this process is known, until it is called dead and takes another."""

    def __init__(self) -> None:
        self.id = new_id()


def new_id() -> str:
    """Return an id that says where the process is and is no other start's: host:pid:random."""
    return f"{host_name()[:15]}:{os.getpid()}:{secrets.token_hex(4)}"
