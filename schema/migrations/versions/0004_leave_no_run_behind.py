"""Refuse to stop or start by SQL what has a run at RunningHub: over HTTP that is cancelled too."""

from collections.abc import Sequence
from importlib import import_module

from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FIRST = import_module("schema.migrations.versions.0002_create_the_views_and_procedures")

PLACES = {
    "p_start_task": "    BEGIN\n        DECLARE CONTINUE HANDLER",
    "p_stop_task": "    IF found_status <> 'cancelled' AND NOT is_stopping",
}
"""Before which the refusal stands: the row is locked by then, and the move allowed."""


def _guarded(name: str, body: str) -> str:
    verb = name.split("_")[1]
    guard = f"""    IF found_status IN ('to_do', 'retrying', 'paused') AND EXISTS (
        SELECT 1 FROM tasks WHERE tasks.id = task_id AND tasks.task_type = 'runninghub'
            AND JSON_UNQUOTE(JSON_EXTRACT(tasks.checkpoint, '$.step')) = 'accepted'
    ) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it has a run at RunningHub: {verb} it over HTTP';
    END IF;
"""
    before, place, after = body.partition(PLACES[name])
    return before + guard + place + after


def upgrade() -> None:
    for name in PLACES:
        _replace(name, _guarded(name, FIRST.PROCEDURES[name][1]))


def downgrade() -> None:
    for name in PLACES:
        _replace(name, FIRST.PROCEDURES[name][1])


def _replace(name: str, body: str) -> None:
    # A DROP takes the rights on it away, too: schema/grants.sql gives them again.
    head = f"CREATE PROCEDURE {name}{FIRST.ON_A_TASK} MODIFIES SQL DATA SQL SECURITY DEFINER"
    op.execute(f"DROP PROCEDURE IF EXISTS {name}")
    op.execute(FIRST._plain(f"{head}\n{body}"))  # noqa: SLF001  # of the same history
