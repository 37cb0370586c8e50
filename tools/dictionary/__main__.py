"""Writes the data dictionary of the database that DATABASE_URL names into docs/sql.md."""

from pathlib import Path

from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import settings
from tools.dictionary.dictionary import put_in, written

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"


def main() -> None:
    """Replace what stands between the page's marks."""
    engine = create_thread_engine(settings().database)
    with engine.connect() as connection:
        dictionary = written(connection)
    engine.dispose()
    PAGE.write_text(put_in(PAGE.read_text(encoding="utf-8"), dictionary), encoding="utf-8")


if __name__ == "__main__":
    main()
