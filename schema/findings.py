"""What was found by looking at how things stand, one line each."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

OK, DOUBT, FAULT = "ok", "doubt", "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what to do about it. Its text is one line."""

    about: str
    text: str
    word: str = OK
    remedy: str = ""

    def __str__(self) -> str:
        """Return the line to print."""
        line = f"{self.word:<6} {self.about:<9} {' '.join(self.text.split())}"
        return f"{line}. {self.remedy}" if self.remedy else line


def tell(findings: Iterable[Finding]) -> int:
    """Print each finding as it comes and return the exit code: 1 when there is a fault."""
    faults = 0
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
        sys.stdout.flush()
        faults += finding.word == FAULT
    return 1 if faults else 0
