"""Preloaded by the fork server, and by nothing else: importing it binds its life to the worker's.

Python's fork server ends when the last process that may use it has, and its children may.
"""

from worker.executors.mortal import die_with_parent

die_with_parent()
