"""Sessions in memory, for tests and development."""

from gobstopper_sessions import MemorySessionStorage as MemorySessionStorage

__all__ = ["MemorySessionStorage"]
