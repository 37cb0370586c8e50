"""The worker with an impatient watchdog: `python -m tests.worker.impatient`."""

import sys

from worker import watchdog
from worker.__main__ import main

watchdog.HANGING_SECONDS = 0.0

if __name__ == "__main__":
    sys.exit(main())
