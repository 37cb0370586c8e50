"""Turns a function into a command that knows the server and the options of all commands."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from rowlease.client import Client
from rowlease.command_line.output import Output
from rowlease.errors import ConnectionFailed, RowleaseError, SettingsError

F = TypeVar("F", bound=Callable[..., None])

REFUSED = 1
USAGE = 2
NO_SERVER = 3

Url = Annotated[
    str | None, typer.Option(help="Where the API is; by default ROWLEASE_URL", metavar="URL")
]
Token = Annotated[
    str | None, typer.Option(help="Who asks; by default ROWLEASE_TOKEN", metavar="TOKEN")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers, as JSON")]


@dataclass(frozen=True)
class Common:
    """What was given of the options of all commands."""

    url: str | None = None
    token: str | None = None
    as_json: bool = False


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    client: Client
    output: Output


def take(
    context: typer.Context, *, url: Url = None, token: Token = None, as_json: AsJson = False
) -> None:
    """Look after the tasks of a Rowlease server."""
    before: Common = context.obj or Common()
    context.obj = Common(url or before.url, token or before.token, as_json or before.as_json)


def command(app: typer.Typer, name: str) -> Callable[[F], F]:
    """Add a function to an app: its docstring and parameters are the command's.

    A parameter `**fields: Unpack[SomeTypedDict]` becomes an option for each field; options that
    are not given are left out. The options of all commands may stand before the command or behind.
    """

    def add(function: F) -> F:
        def run(context: typer.Context, **given: Any) -> None:
            take(context, **{each.name: given.pop(each.name) for each in fields(Common)})
            own = {option: value for option, value in given.items() if value is not None}
            _carry_out(function, context.obj, own)

        parameters = [*_own_parameters(function), *inspect.signature(take).parameters.values()]
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        )
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, help=function.__doc__)(run)
        return function

    return add


def _carry_out(function: Callable[..., None], common: Common, own: dict[str, Any]) -> None:
    try:
        with Client(common.url, common.token) as client:
            function(Session(client, Output(as_json=common.as_json)), **own)
    except (RowleaseError, ValueError) as error:
        typer.echo(f"rowlease: {error}", err=True)
        raise typer.Exit(_exit_code(error)) from None


def _own_parameters(function: Callable[..., None]) -> Iterator[inspect.Parameter]:
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            yield from _options(*get_args(parameter.annotation))
        else:
            yield parameter


def _options(options: Any) -> Iterator[inspect.Parameter]:
    for name, hint in get_type_hints(options, include_extras=True).items():
        default = inspect.Parameter.empty if name in options.__required_keys__ else None
        kind = inspect.Parameter.KEYWORD_ONLY
        yield inspect.Parameter(name, kind, default=default, annotation=hint)


def _exit_code(error: Exception) -> int:
    match error:
        case ConnectionFailed():
            return NO_SERVER
        case SettingsError() | ValueError():
            return USAGE
        case _:
            return REFUSED
