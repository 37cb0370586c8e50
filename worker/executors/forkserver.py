"""Preloaded by the fork server, and by nothing else: importing it binds its life to the worker's.

Python's fork server ends when the last process that may use it has, and its children may. A
platform that stops a worker signals all of its processes: the fork server must leave what that
means to the worker, or its children would die with it and count crashes.
"""

import signal

from worker.executors.mortal import die_with_parent

die_with_parent()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
