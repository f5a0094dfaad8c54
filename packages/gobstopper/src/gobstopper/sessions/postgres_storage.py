"""Sessions on PostgreSQL."""

from gobstopper_sessions import PostgresSessionStorage as PostgresSessionStorage

__all__ = ["PostgresSessionStorage"]
