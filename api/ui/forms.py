"""What forms of pages send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from api.bodies import JsonRoute, read_body
from api.catalogue import fault_of
from api.faults import from_pydantic
from api.languages import Language
from api.problems import Invalid, Problem

MEDIA_TYPE = "application/x-www-form-urlencoded"

Checked = TypeVar("Checked")


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each with the values that were sent."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """Return the last value of a field; empty where it was not sent."""
        return (self.fields.get(name) or [""])[-1]

    def number(self, name: str) -> int | str | None:
        """Return a whole number; what is none as it came, and None where nothing was sent."""
        text = self.one(name).strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or None

    def several(self, name: str) -> list[str]:
        """Return the parts of a field between commas."""
        return [part.strip() for part in self.one(name).split(",") if part.strip()]


async def read_form(request: Request) -> Form:
    """Return what a form sent; raises Problem (400, 408, 413, 415)."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != MEDIA_TYPE:
        raise Problem(415, "form_media_type")
    body = await read_body(request, JsonRoute.body_bytes)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=500)
    except ValueError:
        raise Problem(400, "request_failed") from None
    return Form(fields)


def checked(model: type[Checked], given: Mapping[str, Any]) -> Checked:
    """Return what the API would take; raises Invalid as it does."""
    try:
        return TypeAdapter(model).validate_python(given)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise Invalid(
            [from_pydantic({**each, "loc": ("body", *each["loc"])}) for each in details]
        ) from None


def faults_of(problem: Invalid, language: Language) -> dict[str, str]:
    """Return what is wrong with the fields of a form, by their names."""
    return {
        fault.pointer.split("/")[1]: fault_of(fault.code, fault.values, language)
        for fault in problem.faults
    }
