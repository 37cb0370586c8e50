"""Say who paused a queue. Adding a column is done at once on both servers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | Sequence[str] | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
MISSING = """SET refusal = LEFT(CONCAT('there is no queue ', COALESCE(queue, 'NULL')), 120);
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = refusal;"""


def _pause(by: str = "") -> str:
    return f"""CREATE PROCEDURE p_pause_queue(IN queue VARCHAR(100) {TEXT}, IN reason TEXT {TEXT})
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE found_name, refusal VARCHAR(120) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    START TRANSACTION;
    SELECT queues.name INTO found_name FROM queues WHERE queues.name = queue FOR UPDATE;
    IF found_name IS NULL THEN
        {MISSING}
    END IF;
    UPDATE queues SET {by}paused_at = COALESCE(paused_at, UTC_TIMESTAMP(6)), is_paused = 1,
        paused_reason = reason, resume_at = NULL, updated_at = UTC_TIMESTAMP(6)
    WHERE queues.name = queue AND (is_paused = 0 OR resume_at IS NOT NULL);
    COMMIT;
END"""


def _resume(by: str = "") -> str:
    return f"""CREATE PROCEDURE p_resume_queue(IN queue VARCHAR(100) {TEXT}, IN reason TEXT {TEXT})
MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
    DECLARE found_name, refusal VARCHAR(120) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    START TRANSACTION;
    SELECT queues.name INTO found_name FROM queues WHERE queues.name = queue FOR UPDATE;
    IF found_name IS NULL THEN
        {MISSING}
    END IF;
    UPDATE queues SET {by}is_paused = 0, paused_reason = NULL, paused_at = NULL, resume_at = NULL,
        updated_at = UTC_TIMESTAMP(6)
    WHERE queues.name = queue AND is_paused = 1;
    COMMIT;
END"""


def upgrade() -> None:
    op.add_column(
        "queues",
        sa.Column(
            "paused_by",
            sa.String(100),
            nullable=True,
            comment="Who paused it: operator, worker, or a user of the database",
        ),
    )
    _replace(_pause("paused_by = LEFT(USER(), 100), "), _resume("paused_by = NULL, "))


def downgrade() -> None:
    _replace(_pause(), _resume())
    op.drop_column("queues", "paused_by")


def _replace(*procedures: str) -> None:
    # A DROP takes the rights on it away, too: schema/grants.sql gives them again.
    for name, procedure in zip(("p_pause_queue", "p_resume_queue"), procedures, strict=True):
        op.execute(f"DROP PROCEDURE IF EXISTS {name}")
        op.execute(procedure)
