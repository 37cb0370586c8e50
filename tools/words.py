"""The words of the dashboard: `python -m tools.words` brings the catalogue up to date.

It collects what templates and code say, in English, adds what is new to the Chinese catalogue,
takes out what is said no more, and compiles it. What has no Chinese yet is named.
"""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

FOLDER = Path(__file__).parent.parent / "api" / "ui"
PO = FOLDER / "locale" / "zh" / "LC_MESSAGES" / "messages.po"
MO = PO.with_suffix(".mo")

METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "text": (2,), "english": None}
OPTIONS = {
    "templates/**.html": {"trimmed": "true", "silent": "false", "extensions": "jinja2.ext.i18n"}
}


def said() -> Catalog:
    """Return what templates and code say, in their order."""
    catalogue = Catalog()
    found = extract_from_dir(FOLDER, METHODS, OPTIONS, keywords=KEYWORDS)
    for _, _, message, comments, context in sorted(found, key=lambda each: (each[0], each[1])):
        catalogue.add(message, auto_comments=comments, context=context)
    return catalogue


def kept() -> Catalog:
    """Return the Chinese catalogue as it is."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh")


def updated(catalogue: Catalog) -> Catalog:
    """Return a catalogue with what is said now, and nothing else."""
    made_at = catalogue.creation_date
    catalogue.update(said(), no_fuzzy_matching=True)
    catalogue.creation_date = made_at
    catalogue.obsolete.clear()
    return catalogue


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as gettext reads it."""
    packed = BytesIO()
    write_mo(packed, catalogue)
    return packed.getvalue()


def main() -> int:
    """Bring the catalogue up to date; 1 when something has no Chinese yet."""
    catalogue = updated(kept())
    with PO.open("wb") as file:
        write_po(file, catalogue, omit_header=False, width=100, no_location=True)
    MO.write_bytes(compiled(catalogue))
    missing = [message.id for message in catalogue if message.id and not message.string]
    for each in missing:
        print(f"no Chinese yet: {each!r}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
