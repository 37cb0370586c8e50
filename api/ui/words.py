"""What pages say, in English and in Chinese: one gettext catalogue, whose keys are the English."""

from functools import cache
from gettext import NullTranslations
from pathlib import Path

from babel.support import Translations
from starlette.requests import Request

from api.languages import Language, requested
from api.sessions import cookies

FOLDER = Path(__file__).parent / "locale"
COOKIE = "lang"
TAGS: dict[Language, str] = {"en": "en", "zh": "zh-CN"}
"""What browsers call the languages."""


def language_of(request: Request) -> Language:
    """Return the language of a page: as asked for now, or before, or as the browser prefers."""
    kept = cookies(request.scope).get(COOKIE)
    for wanted in (request.query_params.get("lang"), kept):
        match wanted:
            case "en":
                return "en"
            case "zh" | "zh-CN":
                return "zh"
    return requested(request.scope)


@cache
def words(language: Language) -> NullTranslations:
    """Return the texts in a language."""
    return NullTranslations() if language == "en" else Translations.load(FOLDER, [language])


def english(sentence: str) -> str:
    """Return a sentence as it is: it stands in the catalogue, and is translated elsewhere."""
    return sentence
