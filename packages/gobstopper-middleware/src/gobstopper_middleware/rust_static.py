"""The static files of the wheel."""

from __future__ import annotations

from typing import Any, Self

from .static import StaticMiddleware

__all__ = ["RustStaticMiddleware"]


class RustStaticMiddleware(StaticMiddleware):
    """`StaticMiddleware` with its work done in Rust; the same arguments, the same bytes.

    Raises:
        RuntimeError: without the wheel, saying how to get it.
    """

    def __new__(cls, **options: Any) -> Self:
        """Make the wheel's."""
        try:
            from gobstopper_middleware_rs import RustStatic  # type: ignore[import-not-found, unused-ignore]
        except ModuleNotFoundError as error:
            raise RuntimeError(
                "RustStaticMiddleware needs the wheel gobstopper-middleware-rs, which is built separately from this "
                "package and is not installed here: use StaticMiddleware, which serves the same in Python"
            ) from error
        made: Self = RustStatic(**options)
        return made
