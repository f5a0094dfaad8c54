"""The embedded engine on DuckDB."""

from .engine import DuckDBEngine as DuckDBEngine

__all__ = ["DuckDBEngine"]
