"""What may come of a call instead of its answer.

HubError
├── Refusal      RunningHub answered, and its code is not 0
├── Unreachable  no connection: what was to be sent was not
└── Unclear      it was sent, and what came of it nobody knows
"""

from schema.runtime.runninghub.codes import Code, Meaning, code_of


class HubError(Exception):
    """A call to RunningHub has no answer; its text holds no key and no signed address."""


class Refusal(HubError):  # noqa: N818  # read in `except` clauses: `except Refusal` says it
    """RunningHub said no: `number` is its code, `said` its words.

    `socket` is the signed address of a run's progress: it must not be shown. `wait_seconds` is
    how long to wait before the same is tried again.
    """

    def __init__(
        self, number: int, said: str, *, socket: str | None = None, wait_seconds: float = 0
    ) -> None:
        self.number = number
        self.said = said
        self.socket = socket
        self.code: Code = code_of(number)
        self.wait_seconds = max(self.code.seconds, wait_seconds)
        name = "" if self.code.name.lower() in said.lower() else f" {self.code.name}"
        text = f"RunningHub said {number}{name}: {said}"
        super().__init__(f"{text}. {self.code.advice}" if self.code.advice else text)

    @property
    def meaning(self) -> Meaning:
        """What follows from it, unless the call gives the code another sense."""
        return self.code.meaning


class Unreachable(HubError):  # noqa: N818  # likewise
    """RunningHub could not be reached; nothing was sent."""


class Unclear(HubError):  # noqa: N818  # likewise
    """Something was sent to RunningHub, and no answer says what became of it."""
