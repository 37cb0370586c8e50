-- Roles with just what each process and each reader needs. Run it with the database selected, as a
-- user who may grant, again after each upgrade:
--
--     mysql ... DATABASE < schema/grants.sql
--
-- and give a role to a user:
--
--     CREATE USER app_web IDENTIFIED BY '...';
--     GRANT rowlease_api TO app_web;
--     SET DEFAULT ROLE rowlease_api TO app_web;      -- MySQL
--     SET DEFAULT ROLE rowlease_api FOR app_web;     -- MariaDB
--
-- `release` (alembic upgrade head) creates and alters tables: it needs ALL PRIVILEGES on the
-- database. The procedures run with its user's rights, so that user must stay.

CREATE ROLE IF NOT EXISTS rowlease_reader;
CREATE ROLE IF NOT EXISTS rowlease_operator;
CREATE ROLE IF NOT EXISTS rowlease_api;
CREATE ROLE IF NOT EXISTS rowlease_worker;
CREATE ROLE IF NOT EXISTS rowlease_reaper;

-- People who look: every table and view, and the plans of queries on views.
GRANT SELECT, SHOW VIEW ON * TO rowlease_reader;

-- People who intervene: what readers may, and the guarded procedures.
GRANT SELECT, SHOW VIEW ON * TO rowlease_operator;
GRANT EXECUTE ON PROCEDURE p_start_task TO rowlease_operator;
GRANT EXECUTE ON PROCEDURE p_stop_task TO rowlease_operator;
GRANT EXECUTE ON PROCEDURE p_pause_queue TO rowlease_operator;
GRANT EXECUTE ON PROCEDURE p_resume_queue TO rowlease_operator;

-- web: python -m api
GRANT SELECT ON * TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON tasks TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON task_payloads TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON tags TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON task_tags TO rowlease_api;
GRANT INSERT ON task_attempts TO rowlease_api;
GRANT INSERT ON task_events TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON queues TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON schedules TO rowlease_api;
GRANT INSERT, UPDATE ON workers TO rowlease_api;
GRANT INSERT, UPDATE ON settings TO rowlease_api;
GRANT INSERT, UPDATE ON batches TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON idempotency_keys TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON files TO rowlease_api;
GRANT INSERT, UPDATE, DELETE ON task_files TO rowlease_api;

-- worker: python -m worker
GRANT SELECT ON alembic_version TO rowlease_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON tasks TO rowlease_worker;
GRANT SELECT, INSERT, DELETE ON task_payloads TO rowlease_worker;
GRANT SELECT, INSERT, UPDATE ON tags TO rowlease_worker;
GRANT SELECT, INSERT, DELETE ON task_tags TO rowlease_worker;
GRANT SELECT, INSERT ON task_attempts TO rowlease_worker;
GRANT SELECT, INSERT, UPDATE ON queues TO rowlease_worker;
GRANT SELECT, INSERT, UPDATE ON workers TO rowlease_worker;
GRANT SELECT, INSERT, UPDATE ON settings TO rowlease_worker;
GRANT SELECT, INSERT, UPDATE ON files TO rowlease_worker;
GRANT SELECT, INSERT, DELETE ON task_files TO rowlease_worker;

-- reaper: python -m reaper
GRANT SELECT ON * TO rowlease_reaper;
GRANT INSERT, UPDATE, DELETE ON tasks TO rowlease_reaper;
GRANT INSERT, DELETE ON task_payloads TO rowlease_reaper;
GRANT INSERT, UPDATE ON tags TO rowlease_reaper;
GRANT INSERT, DELETE ON task_tags TO rowlease_reaper;
GRANT INSERT, UPDATE, DELETE ON task_attempts TO rowlease_reaper;
GRANT INSERT, UPDATE, DELETE ON task_events TO rowlease_reaper;
GRANT INSERT, UPDATE ON queues TO rowlease_reaper;
GRANT INSERT, UPDATE, DELETE ON queue_counts TO rowlease_reaper;
GRANT INSERT, UPDATE ON schedules TO rowlease_reaper;
GRANT INSERT, UPDATE, DELETE ON workers TO rowlease_reaper;
GRANT INSERT, UPDATE ON settings TO rowlease_reaper;
GRANT INSERT, UPDATE ON batches TO rowlease_reaper;
GRANT UPDATE, DELETE ON idempotency_keys TO rowlease_reaper;
GRANT INSERT, UPDATE, DELETE ON files TO rowlease_reaper;
GRANT INSERT, UPDATE, DELETE ON task_files TO rowlease_reaper;

-- So that the reaper can see what holds up the purge: open transactions, and the history's length.
-- It warns of neither where it may not look; leave this out where nobody may have it.
GRANT PROCESS ON *.* TO rowlease_reaper;
