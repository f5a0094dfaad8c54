"""Files from a folder."""

from gobstopper_middleware import StaticMiddleware as StaticMiddleware

__all__ = ["StaticMiddleware"]
