"""The data dictionary in docs/sql.md, made from the database: `python -m tools.dictionary`."""
