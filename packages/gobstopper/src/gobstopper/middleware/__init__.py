"""Middleware, each in a module of its own too: re-exported from `gobstopper_middleware`."""

from gobstopper_middleware import AllowedHostsMiddleware as AllowedHostsMiddleware
from gobstopper_middleware import CompressionMiddleware as CompressionMiddleware
from gobstopper_middleware import CORSMiddleware as CORSMiddleware
from gobstopper_middleware import CSRFMiddleware as CSRFMiddleware
from gobstopper_middleware import HTTPSRedirectMiddleware as HTTPSRedirectMiddleware
from gobstopper_middleware import LimitsMiddleware as LimitsMiddleware
from gobstopper_middleware import MemoryRateLimitStorage as MemoryRateLimitStorage
from gobstopper_middleware import ProxyMiddleware as ProxyMiddleware
from gobstopper_middleware import RateLimitMiddleware as RateLimitMiddleware
from gobstopper_middleware import RateLimitStorage as RateLimitStorage
from gobstopper_middleware import RequestIDMiddleware as RequestIDMiddleware
from gobstopper_middleware import RustStaticMiddleware as RustStaticMiddleware
from gobstopper_middleware import SecurityHeadersMiddleware as SecurityHeadersMiddleware
from gobstopper_middleware import SecurityMiddleware as SecurityMiddleware
from gobstopper_middleware import StaticMiddleware as StaticMiddleware
from gobstopper_middleware import csrf_field as csrf_field
from gobstopper_middleware import outgoing_headers as outgoing_headers

__all__ = [
    "AllowedHostsMiddleware",
    "CORSMiddleware",
    "CSRFMiddleware",
    "CompressionMiddleware",
    "HTTPSRedirectMiddleware",
    "LimitsMiddleware",
    "MemoryRateLimitStorage",
    "ProxyMiddleware",
    "RateLimitMiddleware",
    "RateLimitStorage",
    "RequestIDMiddleware",
    "RustStaticMiddleware",
    "SecurityHeadersMiddleware",
    "SecurityMiddleware",
    "StaticMiddleware",
    "csrf_field",
    "outgoing_headers",
]
