"""What ends `make up` before it is up."""


class UpError(Exception):
    """The system cannot be run; the text is one sentence that says what to do."""
