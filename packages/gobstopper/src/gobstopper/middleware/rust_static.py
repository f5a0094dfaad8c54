"""Files from a folder, by the Rust wheel."""

from gobstopper_middleware import RustStaticMiddleware as RustStaticMiddleware

__all__ = ["RustStaticMiddleware"]
