"""The environment that the processes get: the shell's, then `.env`, then what is at hand."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from tools.servers.ports import free_port, is_free
from tools.up.errors import UpError

PORT = 8000


def read_environment(directory: Path) -> dict[str, str]:
    """Return the shell's environment over what `.env` says, with the programs of this Python.

    On a terminal logs are text: the processes write into pipes and could not tell.
    """
    programs = str(Path(sys.executable).parent)
    values = {
        key: value for key, value in dotenv_values(directory / ".env").items() if value is not None
    }
    environment = {**values, **os.environ, "PYTHONUNBUFFERED": "1"}
    environment.setdefault("FILES_SHARED", "1")  # all processes are on this machine
    environment["PATH"] = os.pathsep.join([programs, environment.get("PATH", os.defpath)])
    if sys.stdout.isatty():
        environment.setdefault("LOG_FORMAT", "text")
    return environment


def choose_port(environment: Mapping[str, str]) -> int:
    """Return PORT, or 8000, or any free port; UpError when the PORT that was set is taken."""
    given = environment.get("PORT")
    if not given:
        return PORT if is_free(PORT) else free_port()
    if not given.isdecimal():
        raise UpError(f"PORT is {given!r}: set it to a number.")
    if not is_free(int(given)):
        raise UpError(f"PORT {given} is taken by another program: end that or set another PORT.")
    return int(given)
