"""Names and types of files, as whoever sends them says, made harmless."""

import re
import unicodedata

from schema.documents import storable
from schema.limits import TITLE_LENGTH

NAMELESS = "file"
UNKNOWN_TYPE = "application/octet-stream"

_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,100}"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}(;[ -~]{{0,50}})?")
_CONTROL = {"Cc", "Cf", "Cs", "Zl", "Zp"}

FOLDER_BYTES = 200
"""Of names, what file systems take without asking; they have 255."""


def file_name(given: str) -> str:
    """Return the last part of a name or path, without what would mislead who reads it."""
    last = re.split(r"[/\\]", storable(given))[-1]
    shown = "".join(each for each in last if unicodedata.category(each) not in _CONTROL).strip()
    return NAMELESS if shown in {"", ".", ".."} else shown[:TITLE_LENGTH]


def media_type(given: str | None) -> str:
    """Return a media type, or the one of unknown bytes where that is none."""
    return given if given and _MEDIA_TYPE.fullmatch(given) else UNKNOWN_TYPE


def name_on_disk(name: str) -> str:
    """Return a name as every file system takes it: its end, with the suffix, matters most."""
    encoded = file_name(name).encode()[-FOLDER_BYTES:]
    return file_name(encoded.decode("utf-8", "ignore"))
