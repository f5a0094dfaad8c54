"""The engine on PostgreSQL, through PgQueuer."""

from .engine import PostgresEngine as PostgresEngine

__all__ = ["PostgresEngine"]
