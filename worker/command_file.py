"""COMMANDS_FILE: which commands tasks may run, and with which parameters.

Nothing is allowed that is not named here, and no shell reads any of it.
"""

import math
import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schema.runtime.settings import SettingsError, settings

LONGEST_VALUE = 4_096
"""Characters that the value of a parameter may have."""

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
_NO_NUL = Field(pattern="^[^\0]*$")

Text = Annotated[str, _NO_NUL]


class ParameterError(ValueError):
    """A parameter of a task does not fit; the message says which and why."""


class Parameter(BaseModel):
    """What a value may be: its type, and the pattern that all of it matches, as text."""

    model_config = _STRICT

    type: Literal["string", "integer", "number", "boolean"]
    pattern: str | None = None

    @model_validator(mode="after")
    def _pattern_can_be_read(self) -> Self:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"the pattern cannot be read: {error}") from None
        return self

    def text(self, name: str, value: Any) -> str:
        """Return a value as an argument has it. Raises ParameterError."""
        text = self._text(value)
        if text is None:
            raise ParameterError(f"{name} must be of type {self.type}")
        if len(text) > LONGEST_VALUE or "\0" in text:
            raise ParameterError(f"{name} is longer than {LONGEST_VALUE} characters, or has a NUL")
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            raise ParameterError(f"{name} does not match {self.pattern}")
        return text

    def _text(self, value: Any) -> str | None:
        match self.type, value:
            case "boolean", bool():
                return str(value).lower()
            case (("integer" | "number"), bool()):
                return None
            case (("integer" | "number"), int()):
                return str(value)
            case "number", float() if math.isfinite(value):
                return repr(value)
            case "string", str():
                return value
            case _:
                return None


class Command(BaseModel):
    """A command: its arguments with {placeholders}, and what it runs in."""

    model_config = _STRICT

    argv: Annotated[list[Text], Field(min_length=1)]
    cwd: Text | None = None
    env: dict[Text, Text] = {}
    memory_mb: Annotated[int, Field(ge=1, le=1_048_576)] | None = None
    parameters: dict[str, Parameter] = {}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.cwd is not None and not (Path(self.cwd).is_absolute() and Path(self.cwd).is_dir()):
            raise ValueError(f"cwd must be the whole path of a folder: {self.cwd}")
        used = [found[2] for each in self.argv for found in _PLACEHOLDER.finditer(each) if found[2]]
        for name in used:
            if name not in self.parameters:
                raise ValueError(f"argv has {{{name}}}, which is no parameter; see {{{{{name}}}}}")
        for name in self.parameters:
            if name not in used:
                raise ValueError(f"argv has no {{{name}}}")
        if _PLACEHOLDER.search(self.argv[0]):
            raise ValueError("the program itself cannot be a parameter")
        if self._find() is None:
            raise ValueError(f"there is no program {self.argv[0]}")
        return self

    @property
    def program(self) -> str:
        """Where the program is; the child gets no PATH that would say it."""
        return self._find() or self.argv[0]

    def arguments(self, given: Mapping[str, Any]) -> list[str]:
        """Return argv with these parameters in it. Raises ParameterError."""
        for name in given:
            if name not in self.parameters:
                raise ParameterError(f"there is no parameter {name}")
        for name in self.parameters:
            if name not in given:
                raise ParameterError(f"{name} is missing")
        texts = {name: each.text(name, given[name]) for name, each in self.parameters.items()}
        after = self.argv.index("--") if "--" in self.argv else len(self.argv)
        for argument in self.argv[1:after]:
            self._refuse_option(argument, texts)
        return [
            _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else texts[found[2]], each)
            for each in self.argv
        ]

    def _refuse_option(self, argument: str, texts: Mapping[str, str]) -> None:
        """Refuse text that would be read as an option: nothing stands before it in an argument."""
        at = 0
        while (found := _PLACEHOLDER.match(argument, at)) and (name := found[2]):
            if self.parameters[name].type == "string" and texts[name].startswith("-"):
                raise ParameterError(f"{name} must not begin with -")
            if texts[name]:
                return
            at = found.end()

    def _find(self) -> str | None:
        if "/" not in self.argv[0]:
            return shutil.which(self.argv[0])
        path = Path(self.cwd or ".", self.argv[0]).absolute()
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None


class _File(BaseModel):
    model_config = _STRICT

    commands: dict[str, Command]


@cache
def commands() -> Mapping[str, Command] | None:
    """Return the commands by their names; None without COMMANDS_FILE.

    Read once. Raises SettingsError with one sentence for each fault.
    """
    path = settings().commands_file
    return read(Path(path)) if path else None


def read(path: Path) -> Mapping[str, Command]:
    """Return the commands that a file names. Raises SettingsError."""
    try:
        return _File.model_validate(tomllib.loads(path.read_text("utf-8"))).commands
    except ValidationError as error:
        faults = "; ".join(_sentence(dict(each)) for each in error.errors(include_url=False))
        raise SettingsError(f"COMMANDS_FILE: {path}: {faults}") from None
    except OSError as error:
        raise SettingsError(f"COMMANDS_FILE: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"COMMANDS_FILE: {path} is not TOML: {error}") from None


def _sentence(item: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in item["loc"])
    return f"{place}: {str(item['msg']).removeprefix('Value error, ')}"
