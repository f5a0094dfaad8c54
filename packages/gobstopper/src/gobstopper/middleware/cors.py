"""Cross-origin resource sharing."""

from gobstopper_middleware import CORSMiddleware as CORSMiddleware

__all__ = ["CORSMiddleware"]
