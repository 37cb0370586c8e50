"""What forms of pages send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request

from api.bodies import JsonRoute, read_body
from api.problems import Problem

MEDIA_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each with the values that were sent."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """Return the last value of a field; empty where it was not sent."""
        return (self.fields.get(name) or [""])[-1]

    def many(self, name: str) -> list[str]:
        """Return all values of a field, or the parts of them between commas."""
        values = (part.strip() for value in self.fields.get(name, ()) for part in value.split(","))
        return [value for value in values if value]


async def read_form(request: Request) -> Form:
    """Return what a form sent; raises Problem (400, 408, 413, 415)."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != MEDIA_TYPE:
        raise Problem(415, "form_media_type")
    body = await read_body(request, JsonRoute.body_bytes)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=2_000)
    except ValueError:
        raise Problem(400, "request_failed") from None
    return Form(fields)
