"""The garbage collector, told what this kind of process is like."""

import gc


def collect_less_often() -> None:
    """Have the garbage collector look at what is new seldom, and at what was imported never.

    Thousands of attempts or requests live for milliseconds: looking at them every 700 objects
    took a fifth of the worker's time, and an eighth of the API's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
