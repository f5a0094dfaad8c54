"""Middleware for Granian's RSGI: security, CORS, static files, compression, limits, proxies."""

from .compression import CompressionMiddleware as CompressionMiddleware
from .cors import CORSMiddleware as CORSMiddleware
from .csrf import CSRFMiddleware as CSRFMiddleware
from .csrf import csrf_field as csrf_field
from .headers import SecurityHeadersMiddleware as SecurityHeadersMiddleware
from .hosts import AllowedHostsMiddleware as AllowedHostsMiddleware
from .https import HTTPSRedirectMiddleware as HTTPSRedirectMiddleware
from .limits import LimitsMiddleware as LimitsMiddleware
from .proxy import ProxyMiddleware as ProxyMiddleware
from .rate_limit import MemoryRateLimitStorage as MemoryRateLimitStorage
from .rate_limit import RateLimitMiddleware as RateLimitMiddleware
from .rate_limit import RateLimitStorage as RateLimitStorage
from .request_id import RequestIDMiddleware as RequestIDMiddleware
from .request_id import outgoing_headers as outgoing_headers
from .rust_static import RustStaticMiddleware as RustStaticMiddleware
from .security import SecurityMiddleware as SecurityMiddleware
from .static import StaticMiddleware as StaticMiddleware

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
