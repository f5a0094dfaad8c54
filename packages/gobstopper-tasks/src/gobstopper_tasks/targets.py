"""From what a queue is told (`duckdb:///path`, `redis://…`) to its engine."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from .engine import Fire, TaskEngine
from .errors import InvalidTask

__all__ = ["duckdb_path", "engine_for", "shown"]


def engine_for(target: str, fire: Fire, options: dict[str, Any]) -> TaskEngine:
    """The engine of a URL (`memory://`, `duckdb:///path`, `postgresql://…`, `redis://…`) or of a bare path (DuckDB).

    Imports the engine's module only; an extra that is not installed raises `InvalidTask` naming it.
    """
    scheme = urlsplit(target).scheme if "://" in target else ""
    try:
        if scheme == "memory":
            from .engines.memory import MemoryEngine

            return MemoryEngine(fire, **options)
        if scheme in ("duckdb", ""):
            from .engines.duckdb import DuckDBEngine

            return DuckDBEngine(duckdb_path(target), fire, **options)
        if scheme in ("postgresql", "postgres"):
            from .engines.postgres import PostgresEngine

            return PostgresEngine(target, fire, **options)
        if scheme in ("redis", "rediss"):
            from .engines.redis import RedisEngine

            return RedisEngine(target, fire, **options)
    except ImportError as error:
        extra = {"p": "postgres", "r": "redis"}.get(scheme[:1], "")
        raise InvalidTask(
            f"tasks={shown(target)!r} needs {error.name or 'a package'}, which is not installed: "
            f"pip install 'gobstopper-tasks[{extra}]'"
        ) from error
    raise InvalidTask(
        f"tasks={scheme + '://…'!r} is no engine; use a path, duckdb:///path, memory://, postgresql://… or redis://…"
    )


def shown(target: str) -> str:
    """The target for people to read: without user and password."""
    return target.rpartition("@")[2] if "://" in target else target


def duckdb_path(target: str) -> str:
    """The file of `duckdb:///absolute`, `duckdb://relative` or a bare path."""
    path = target.removeprefix("duckdb://")
    if not path or path.endswith("/"):
        raise InvalidTask(f"tasks={target!r} names no file; write duckdb:///var/lib/app/tasks.duckdb")
    return path
