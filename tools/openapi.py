"""Write docs/openapi.json, the description that client generators read: `make openapi`."""

from pathlib import Path
from typing import Any

import orjson

from api.main import app

FILE = Path(__file__).parent.parent / "docs" / "openapi.json"


def text(document: dict[str, Any]) -> bytes:
    """Return a document as the file has it."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    FILE.write_bytes(text(app.openapi()))
