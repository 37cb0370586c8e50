"""Arguments and options that several commands take."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

MOST_ON_A_PAGE = 500


def read_json(given: str) -> Any:
    """Return what JSON says: the text itself, a file after @, or - for the standard input."""
    try:
        text = given
        if given == "-":
            text = sys.stdin.read()
        elif given.startswith("@"):
            text = Path(given[1:]).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"it is not JSON: {error}") from None


def page_size(limit: int) -> int:
    """Return how many to ask for at once when so many are to be shown, and one more."""
    return min(limit + 1, MOST_ON_A_PAGE)


TaskId = Annotated[int, typer.Argument(metavar="ID", help="Number of the task")]
ScheduleId = Annotated[int, typer.Argument(metavar="ID", help="Number of the schedule")]
BatchId = Annotated[int, typer.Argument(metavar="ID", help="Number of the batch")]
QueueName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the queue")]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept")]
Limit = Annotated[int, typer.Option(min=1, help="How many to show at most")]
Names = list[str]
Numbers = list[int]

Title = Annotated[str, typer.Option(help="What it is, for people")]
Description = Annotated[str, typer.Option(help="More about it")]
Queue = Annotated[str, typer.Option(help="Where it waits")]
TaskType = Annotated[str, typer.Option(help="Names the handler that runs it")]
Priority = Annotated[str, typer.Option(help="high, medium or low")]
Payload = Annotated[
    Any,
    typer.Option(parser=read_json, metavar="JSON", help="Input of the handler; @FILE, - for stdin"),
]
Tags = Annotated[Names, typer.Option("--tag", metavar="<str>", help="May be repeated")]
AccountId = Annotated[str, typer.Option(help="Account that it is kept under")]
TimeoutSeconds = Annotated[int, typer.Option(help="Time that one attempt has")]
RetryLimit = Annotated[int, typer.Option(help="Retries after the first attempt")]
CallbackUrl = Annotated[str, typer.Option(help="Where its end is told, by a signed POST")]
