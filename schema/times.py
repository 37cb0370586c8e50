"""Moments: naive UTC in the database, aware everywhere else."""

from datetime import UTC, datetime


def to_database(moment: datetime | None) -> datetime | None:
    """Return a moment as the database stores it; one without an offset is taken as UTC."""
    if moment is None or moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None)


def from_database(moment: datetime) -> datetime:
    """Return a stored moment with its time zone."""
    return moment.replace(tzinfo=UTC)
