"""What forms of pages send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from api.bodies import JsonRoute, read_body
from api.faults import from_pydantic
from api.problems import Invalid, Problem

MEDIA_TYPE = "application/x-www-form-urlencoded"

Checked = TypeVar("Checked", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each with the values that were sent."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """Return the last value of a field; empty where it was not sent."""
        return (self.fields.get(name) or [""])[-1]

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
        return model.model_validate(given)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise Invalid(
            [from_pydantic({**each, "loc": ("body", *each["loc"])}) for each in details]
        ) from None
