"""Sessions, CSRF protection and security headers."""

from gobstopper_middleware import SecurityMiddleware as SecurityMiddleware

__all__ = ["SecurityMiddleware"]
