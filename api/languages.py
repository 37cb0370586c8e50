"""Which language a client reads: English or Chinese."""

from functools import lru_cache
from typing import Literal

from starlette.types import Scope

Language = Literal["en", "zh"]

DEFAULT: Language = "en"


def requested(scope: Scope) -> Language:
    """Return the language that the client of a request prefers."""
    headers = dict(scope["headers"])
    return preferred(headers.get(b"accept-language", b"").decode("latin-1"))


@lru_cache(maxsize=256)
def preferred(accept_language: str) -> Language:
    """Return the language that an Accept-Language header prefers, English where it names none."""
    weights: dict[Language, float] = {}
    for part in accept_language.split(","):
        tag, _, parameter = part.partition(";")
        weight = _weight(parameter)
        match tag.strip().lower().partition("-")[0]:
            case "en" | "zh" as language if weight > weights.get(language, 0):
                weights[language] = weight
    return max(weights, key=lambda language: weights[language], default=DEFAULT)


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1
    try:
        return float(value)
    except ValueError:
        return 0
