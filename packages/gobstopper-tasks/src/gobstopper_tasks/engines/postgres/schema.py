"""The side table: what PgQueuer's own tables do not keep."""

from __future__ import annotations

VERSION = 2

CREATE = """
CREATE SCHEMA IF NOT EXISTS gobstopper;
CREATE TABLE IF NOT EXISTS gobstopper.version (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS gobstopper.task (
    id text PRIMARY KEY,
    name text NOT NULL,
    category text NOT NULL,
    status text NOT NULL,
    priority integer NOT NULL,
    number integer NOT NULL DEFAULT 1,
    attempt integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    waiting integer NOT NULL DEFAULT 0,
    cancelling boolean NOT NULL DEFAULT false,
    added_at double precision NOT NULL,
    due double precision NOT NULL,
    started_at double precision,
    finished_at double precision,
    error text,
    result text,
    progress double precision,
    note text,
    worker text,
    unique_key text,
    idempotency_key text,
    spec text NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS task_unique ON gobstopper.task (name, unique_key)
    WHERE unique_key IS NOT NULL AND status NOT IN ('succeeded', 'failed', 'cancelled');
CREATE UNIQUE INDEX IF NOT EXISTS task_idempotent ON gobstopper.task (idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS task_finished ON gobstopper.task (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS task_live ON gobstopper.task (category, status)
    WHERE status NOT IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX IF NOT EXISTS task_status ON gobstopper.task (status, id);
CREATE TABLE IF NOT EXISTS gobstopper.link (
    before text NOT NULL, after text NOT NULL, always boolean NOT NULL, PRIMARY KEY (before, after)
);
CREATE TABLE IF NOT EXISTS gobstopper.start (scope text NOT NULL, at double precision NOT NULL);
CREATE INDEX IF NOT EXISTS start_at ON gobstopper.start (scope, at);
CREATE TABLE IF NOT EXISTS gobstopper.parked (
    id text PRIMARY KEY,
    number integer NOT NULL,
    scope text NOT NULL,
    priority integer NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    wake double precision
);
CREATE INDEX IF NOT EXISTS parked_next ON gobstopper.parked (scope, priority DESC, id) WHERE wake IS NULL;
CREATE INDEX IF NOT EXISTS parked_woken ON gobstopper.parked (scope, wake) WHERE wake IS NOT NULL;
CREATE OR REPLACE VIEW gobstopper.tasks AS
    SELECT id, name, category, status, priority, attempt, added_at, started_at, finished_at, error, result,
        (spec::json -> 'args')::text AS args, worker, spec
    FROM gobstopper.task;
"""

# What version 1 lacks. Not part of CREATE: ALTER TABLE waits for every transaction that has the table.
MIGRATE = """
ALTER TABLE gobstopper.task ADD COLUMN IF NOT EXISTS result_until double precision;
CREATE INDEX IF NOT EXISTS task_result ON gobstopper.task (result_until) WHERE result_until IS NOT NULL;
"""

INSERT = """
INSERT INTO gobstopper.task (id, name, category, status, priority, waiting, added_at, due, unique_key,
idempotency_key, spec) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[],
$7::float8[], $8::float8[],
    $9::text[], $10::text[], $11::text[])
ON CONFLICT DO NOTHING RETURNING id
"""

COLUMNS = (
    "id, name, category, status, priority, attempt, crashes, due, started_at, finished_at, "
    "error, result, progress, note, worker, spec"
)

# The number is the ticket's: a job of PgQueuer that was published before the last change does not count.
BEGIN = """
UPDATE gobstopper.task SET attempt = attempt + CASE WHEN status = 'running' THEN 0 ELSE 1 END,
    crashes = crashes + CASE WHEN status = 'running' THEN 1 ELSE 0 END,
    status = 'running', worker = $3, started_at = $4
WHERE id = $1 AND number = $2 AND status IN ('pending', 'scheduled', 'retrying', 'running')
RETURNING spec, attempt, crashes, cancelling
"""

END = """
UPDATE gobstopper.task SET status = $3, result = $4, error = $5, finished_at = $6, number = number + 1, cancelling =
false, result_until = $7 WHERE id = $1 AND number = $2 AND status = 'running' RETURNING id
"""

AGAIN = """
UPDATE gobstopper.task SET status = CASE WHEN $5::boolean OR $3::float8 > $6::float8 THEN 'retrying' ELSE 'pending' END,
    due = $3::float8, error = coalesce($4::text, error), number = number + 1,
    attempt = attempt - CASE WHEN $5::boolean THEN 0 ELSE 1 END
WHERE id = $1 AND number = $2 AND NOT cancelling AND status = 'running'
RETURNING id, number, category, priority
"""

# The result goes when its time is over, the task itself when the retention is.
FORGET_RESULTS = """
UPDATE gobstopper.task SET result = NULL, result_until = NULL WHERE id IN (SELECT id FROM gobstopper.task
    WHERE result_until < $1 ORDER BY result_until LIMIT 10000 FOR UPDATE SKIP LOCKED)
"""

REQUEUE = """
UPDATE gobstopper.task SET number = number + 1, due = 0, cancelling = false, finished_at = NULL,
    attempt = CASE WHEN status IN ('failed', 'cancelled') THEN 0 ELSE attempt END,
    crashes = CASE WHEN status IN ('failed', 'cancelled') THEN 0 ELSE crashes END, waiting = 0, status = 'pending'
WHERE id = ANY($1) AND (status IN ('failed', 'cancelled') OR (status IN ('scheduled', 'retrying') AND waiting = 0))
RETURNING id, number, category, priority
"""
