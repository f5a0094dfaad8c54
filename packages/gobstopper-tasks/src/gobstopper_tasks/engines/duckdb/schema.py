"""The tables and the view in the file, and reading them back."""

from __future__ import annotations

from typing import Any

import msgspec

from ...task import TaskInfo, TaskSpec, TaskStatus

VERSION = 2  # 2: a redo log beside the file, and how far it is folded in `meta`

# Tasks from their events. A FINISHED event may stand for its STARTED event too. What is not final is told from memory;
# here it is for SQL.
LIVE = """WITH latest AS (
    SELECT id, max(seq) AS seq,
        arg_max(data, seq) FILTER (kind IN (1, 6)) AS spec,
        arg_max(kind, seq) FILTER (kind BETWEEN 1 AND 7) AS kind,
        arg_max(data, seq) FILTER (kind = 3) AS ending,
        max(ts) FILTER (kind = 2) AS began, max(ts) FILTER (kind = 3) AS ended,
        arg_max(data, seq) FILTER (kind = 2) AS taken, count(*) FILTER (kind = 2) AS starts
    FROM {journal} WHERE id <> '' GROUP BY id)
SELECT id, spec->>'name' AS name, coalesce(spec->>'category', 'default') AS category,
    CASE kind WHEN 3 THEN ending->>'status' WHEN 2 THEN 'running' WHEN 4 THEN 'retrying'
        ELSE CASE WHEN coalesce((spec->>'due')::DOUBLE, 0) > epoch(now()) THEN 'scheduled' ELSE 'pending' END
    END AS status,
    coalesce((spec->>'priority')::INTEGER, 1) AS priority,
    CASE kind WHEN 3 THEN coalesce((ending->>'attempt')::INTEGER, 0) ELSE starts END AS attempt,
    coalesce((spec->>'added_at')::DOUBLE, 0) AS added_at,
    coalesce(began, (ending->>'started_at')::DOUBLE) AS started_at,
    CASE kind WHEN 3 THEN ended END AS finished_at,
    CASE kind WHEN 3 THEN ending->>'error' END AS error,
    CASE kind WHEN 3 THEN ending->>'result' END AS result,
    (spec->'args')::VARCHAR AS args,
    coalesce(taken->>1, ending->>'session') AS worker,
    spec->>'idempotency_key' AS idempotency_key, spec, seq
FROM latest WHERE spec IS NOT NULL"""

CREATE = (
    "CREATE TABLE IF NOT EXISTS meta (name VARCHAR, value VARCHAR)",
    "CREATE TABLE IF NOT EXISTS journal (seq BIGINT, kind UTINYINT, ts DOUBLE, id VARCHAR, data VARCHAR)",
    """CREATE TABLE IF NOT EXISTS history (
        id VARCHAR, name VARCHAR, category VARCHAR, status VARCHAR, priority INTEGER, attempt INTEGER,
        added_at DOUBLE, started_at DOUBLE, finished_at DOUBLE, error VARCHAR, result VARCHAR, args VARCHAR,
        worker VARCHAR, idempotency_key VARCHAR, spec VARCHAR)""",
    "CREATE OR REPLACE VIEW live AS " + LIVE.format(journal="journal"),
    """CREATE OR REPLACE VIEW tasks AS
    SELECT id, name, category, status, priority, attempt, added_at, started_at, finished_at, error, result, args,
    worker, spec FROM history
    UNION ALL
    SELECT id, name, category, status, priority, attempt, added_at, started_at, finished_at, error, result, args,
    worker, spec FROM live""",
)

INFO = "id, name, category, status, priority, attempt, started_at, finished_at, error, result, worker, spec"
FINAL = "('succeeded', 'failed', 'cancelled')"

_SPEC = msgspec.json.Decoder(TaskSpec)


def spec_of(text: str | bytes) -> TaskSpec:
    """A spec from its JSON; its arguments are a copy, so that the text can go."""
    spec = _SPEC.decode(text)
    spec.args = spec.args.copy()
    return spec


def info_of(row: tuple[Any, ...], now: float) -> TaskInfo:
    """A `TaskInfo` from a row of `INFO`; a result whose time is over is left out."""
    id_, name, category, status, priority, attempt, started_at, finished_at, error, result, worker, text = row
    spec = _SPEC.decode(text)
    fresh = result is not None and (finished_at or now) + spec.result_ttl > now
    return TaskInfo(
        id=id_,
        name=name,
        category=category,
        status=TaskStatus(status),
        priority=priority,
        attempt=attempt,
        max_retries=spec.max_retries,
        added_at=spec.added_at,
        run_at=spec.due or None,
        started_at=started_at,
        finished_at=finished_at,
        result=msgspec.json.decode(result) if result is not None and fresh else None,
        error=error,
        worker=worker,
        unique_key=spec.unique_key,
        args=msgspec.json.decode(spec.args),
    )
