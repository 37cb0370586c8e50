"""The metadata that every model joins, and the column types they share."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, MetaData, String, text
from sqlalchemy.dialects.mysql import DATETIME, ENUM
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from schema.limits import NAME_LENGTH

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Moment = DATETIME(fsp=6)
"""A moment in UTC to the microsecond."""

Name = String(NAME_LENGTH)
"""A name of a queue, task type or tag."""

UTC_NOW = text("(UTC_TIMESTAMP(6))")


class Model(DeclarativeBase):
    """What the tables are declared on. Statements are Core: no Session reads or writes them."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


def table_options(comment: str) -> dict[str, Any]:
    """Return what every table has: InnoDB, utf8mb4 that tells all strings apart, a comment."""
    return {
        "comment": comment,
        "mysql_engine": "InnoDB",
        "mysql_charset": "utf8mb4",
        "mysql_collate": "utf8mb4_bin",
        "mysql_row_format": "DYNAMIC",
    }


def one_of(words: Iterable[str]) -> ENUM:
    """Return the type of a column that holds one of `words`, sorted as they are given."""
    return ENUM(*(str(word) for word in words))


def auto_id(comment: str) -> Mapped[int]:
    """Return a primary key that the server counts up."""
    return mapped_column(BigInteger, primary_key=True, autoincrement=True, comment=comment)


def created_at() -> Mapped[Any]:
    """Return the moment at which the row came to be."""
    return mapped_column(
        Moment, nullable=False, server_default=UTC_NOW, comment="When the row was created (UTC)"
    )


def updated_at() -> Mapped[Any]:
    """Return the moment of the last change, kept by the server whoever makes it."""
    return mapped_column(
        Moment,
        nullable=False,
        server_default=text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
        comment="When the row was last changed; UTC, as the writing session's time zone is",
    )
