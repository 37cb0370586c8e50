"""Run by path: ask the kernel to end this process with its parent, then become the command.

python -I -S launch.py SIGNAL PARENT COMMAND...

It is a program of its own because the usual place for this, a function between fork and exec,
is not safe in a process with threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command, bound to the life of the parent process."""
    signal_number, parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("The parent process has ended.")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}.")


main()
