"""Becomes a command: run as a program of its own, in the process that the command will be.

Limits are set here, between fork and exec. Python code that runs in a fork of a process with
threads may deadlock (`preexec_fn`), and limits that are set from outside come too late.
The order comes over stdin: a command line can be read by everybody on the machine.
"""

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 127


def main() -> None:
    """Read the order, set the limits, and become the command."""
    with open(0, "rb", closefd=False) as stdin:  # a descriptor
        order = json.load(stdin)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order["parent"]:
        return
    for number in signal.valid_signals():  # Python ignores some, and who started the worker may
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if order["memory_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"],) * 2)
    try:
        os.execve(order["program"], order["argv"], order["env"])  # noqa: S606  # that is what it is for
    except (OSError, MemoryError) as error:
        os.write(2, f"{order['program']} cannot be run: {error}\n".encode())
        os._exit(CANNOT_RUN)


if __name__ == "__main__":
    main()
