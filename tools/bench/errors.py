"""What can go wrong in a benchmark."""


class BenchError(Exception):
    """A figure could not be had; the text is one sentence for a person."""
