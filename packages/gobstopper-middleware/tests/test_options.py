"""Settings that make no sense: one message that names the argument, and what to give instead."""

from __future__ import annotations

from typing import Any

import pytest

from gobstopper_middleware import (
    AllowedHostsMiddleware,
    CompressionMiddleware,
    CORSMiddleware,
    CSRFMiddleware,
    HTTPSRedirectMiddleware,
    LimitsMiddleware,
    MemoryRateLimitStorage,
    ProxyMiddleware,
    RateLimitMiddleware,
    RequestIDMiddleware,
    SecurityHeadersMiddleware,
    SecurityMiddleware,
    StaticMiddleware,
)

CREDENTIALS = {"allow_credentials": True, "allow_origins": ["https://a.example"]}

MISTAKES: list[tuple[Any, dict[str, Any], str]] = [
    (SecurityMiddleware, {"sessions": "no"}, r"sessions='no': use True or False"),
    (SecurityMiddleware, {"csrf": "off"}, r"csrf='off': use True or False"),
    (SecurityMiddleware, {"headers": {"x": "y"}}, r"headers=.*: use True or False"),
    (SecurityMiddleware, {"cookie_persistent": 1}, r"cookie_persistent=1: use True or False"),
    (SecurityMiddleware, {"csrf": False, "csrf_exempt": ["/a"]}, r"csrf=False, but there is a csrf_exempt"),
    (
        SecurityMiddleware,
        {"csrf": False, "trusted_origins": ["https://a.example"]},
        r"csrf=False, but .*trusted_origin",
    ),
    (SecurityMiddleware, {"headers": False, "hsts": "max-age=1"}, r"headers=False, but there is a hsts"),
    (SecurityMiddleware, {"sessions": False, "idle_timeout": 1}, r"sessions=False, but there is a idle_timeout"),
    (SecurityMiddleware, {"trusted_origins": [None]}, r"trusted_origins: None is NoneType; give a sequence of origins"),
    (SecurityMiddleware, {"trusted_origins": None}, r"trusted_origins=None: give a sequence of origins"),
    (CSRFMiddleware, {"exempt": "/hook"}, r"csrf_exempt='/hook': give a sequence"),
    (CSRFMiddleware, {"exempt": ["/api/*"]}, r"csrf_exempt: '/api/\*' matches nothing: write whole paths"),
    (SecurityHeadersMiddleware, {"hsts": 31536000}, r"hsts=31536000: give text"),
    (SecurityHeadersMiddleware, {"hsts": "31536000"}, r"hsts='31536000': browsers ignore it without max-age"),
    (SecurityHeadersMiddleware, {"referrer_policy": "none"}, r"referrer_policy: browsers know no 'none'; there are"),
    (SecurityHeadersMiddleware, {"content_security_policy": ["x"]}, r"content_security_policy=\['x'\]: give text"),
    (SecurityHeadersMiddleware, {"content_security_policy": " "}, r"content_security_policy is empty: give None"),
    (SecurityHeadersMiddleware, {"content_security_policy": "x '{nounce}'"}, r"'\{nounce\}' stands for nothing"),
    (CORSMiddleware, {"allow_origins": None}, r"allow_origins=None: give a sequence of origins"),
    (CORSMiddleware, {"allow_origins": [1]}, r"allow_origins: 1 is int; give a sequence of origins"),
    (CORSMiddleware, {"allow_origin_regex": "("}, r"allow_origin_regex='\(' is no regular expression: missing \)"),
    (CORSMiddleware, {"allow_origin_regex": ["x"]}, r"allow_origin_regex=\['x'\]: give text"),
    (
        CORSMiddleware,
        {"allow_origin_regex": ".*", "allow_credentials": True},
        r"would let any site act as its visitors",
    ),
    (CORSMiddleware, {"allow_origin_regex": r"https?://.+", "allow_credentials": True}, r"would let any site act"),
    (CORSMiddleware, {"allow_origin_regex": r"https://a.example"}, r"the dot at position 9 fits any character"),
    (CORSMiddleware, {"allow_origin_regex": r"https://[.]a\.b.c"}, r"the dot at position 15 fits any character"),
    (CORSMiddleware, {"allow_credentials": "no"}, r"allow_credentials='no': use True or False"),
    (CORSMiddleware, {"allow_methods": ["get"]}, r"told apart by case: write 'GET', not 'get'"),
    (CORSMiddleware, {"max_age": "600"}, r"max_age='600': give a whole number"),
    (CORSMiddleware, {"max_age": -1}, r"max_age=-1: give at least 0"),
    (CORSMiddleware, CREDENTIALS | {"expose_headers": ["*"]}, r"exposes nothing together with credentials"),
    (StaticMiddleware, {"directory": None}, r"directory=None: give the path of a folder"),
    (StaticMiddleware, {"url_prefix": None}, r"url_prefix=None: give text"),
    (StaticMiddleware, {"url_prefix": "/a/../b"}, r"url_prefix='/a/../b': write a plain path"),
    (StaticMiddleware, {"url_prefix": "/a?b"}, r"url_prefix='/a\?b': write a plain path"),
    (StaticMiddleware, {"index": "index.html"}, r"index='index.html': use True or False"),
    (StaticMiddleware, {"fallback": True}, r"fallback=True: give text"),
    (StaticMiddleware, {"fallback": "../x"}, r"fallback='../x': name a file below the folder"),
    (StaticMiddleware, {"max_age": "1 day"}, r"max_age='1 day': give a whole number"),
    (StaticMiddleware, {"immutable": "("}, r"immutable='\(' is no regular expression"),
    (StaticMiddleware, {"immutable": 3}, r"immutable=3: give text"),
    (CompressionMiddleware, {"minimum_size": "1k"}, r"minimum_size='1k': give a whole number"),
    (CompressionMiddleware, {"types": "text/"}, r"types='text/': give a sequence of beginnings of media types"),
    (CompressionMiddleware, {"codings": "gzip"}, r"codings='gzip': give a sequence of codings, as in \['gzip'\]"),
    (CompressionMiddleware, {"codings": []}, r"codings is empty: name one of"),
    (CompressionMiddleware, {"codings": ["gzip"], "level": 99}, r"level=99: gzip has no such level"),
    (CompressionMiddleware, {"codings": ["br"], "level": 12}, r"level=12: br has no such level"),
    (CompressionMiddleware, {"codings": ["zstd"], "level": 23}, r"level=23: zstd has no such level"),
    (CompressionMiddleware, {"level": "best"}, r"level='best': give a whole number"),
    (CompressionMiddleware, {"with_secrets": "no"}, r"with_secrets='no': use True or False"),
    (RequestIDMiddleware, {"trust_incoming": "no"}, r"trust_incoming='no': use True or False"),
    (LimitsMiddleware, {"max_body": "1MB"}, r"max_body='1MB': give a whole number, or leave it out"),
    (LimitsMiddleware, {"timeout": float("nan")}, r"timeout=nan: give a finite number, or leave it out"),
    (LimitsMiddleware, {"body_idle": True}, r"body_idle=True: give a number"),
    (RateLimitMiddleware, {"limit": "5/minute"}, r"limit='5/minute': give a whole number"),
    (RateLimitMiddleware, {"limit": 1.5}, r"limit=1.5: give a whole number"),
    (RateLimitMiddleware, {"period": "1m"}, r"period='1m': give a number, in seconds"),
    (RateLimitMiddleware, {"key": "ip"}, r"key='ip': give a function from the request to text"),
    (RateLimitMiddleware, {"storage": {}}, r"storage=\{\} is no store: give an object with hit"),
    (RateLimitMiddleware, {"storage": MemoryRateLimitStorage}, r"is no store: give an object with hit"),
    (RateLimitMiddleware, {"name": None}, r"name=None: give text"),
    (RateLimitMiddleware, {"exempt": "/health"}, r"exempt='/health': give a sequence of paths"),
    (RateLimitMiddleware, {"exempt": ["health"]}, r"exempt: 'health' matches no request: write whole paths"),
    (MemoryRateLimitStorage, {"max_keys": "x"}, r"max_keys='x': give a whole number"),
    (ProxyMiddleware, {"trusted": ["nginx"]}, r"trusted: 'nginx' is no address or network: write '10\.0\.0\.1'"),
    (ProxyMiddleware, {"trusted": ["0.0.0.0/0"]}, r"is everybody, so every client could say who it is: .* hops="),
    (ProxyMiddleware, {"trusted": ["::/0"]}, r"is everybody"),
    (ProxyMiddleware, {"hops": "1"}, r"hops='1': give a whole number"),
    (ProxyMiddleware, {"hops": True}, r"hops=True: give a whole number"),
    (ProxyMiddleware, {"hops": 1, "x_forwarded_host": "yes"}, r"x_forwarded_host='yes': use True or False"),
    (
        ProxyMiddleware,
        {"hops": 1, "header": "forwarded", "x_forwarded_host": True},
        r"Forwarded has the host in itself",
    ),
    (AllowedHostsMiddleware, {"allowed_hosts": [".a.example"]}, r"matched exactly, so name each subdomain"),
    (AllowedHostsMiddleware, {"allowed_hosts": ["*.a.example"]}, r"matched exactly, so name each subdomain"),
    (AllowedHostsMiddleware, {"allowed_hosts": ["münchen.example"]}, r"as browsers send it, 'xn--mnchen-3ya.example'"),
    (AllowedHostsMiddleware, {"allowed_hosts": ["::1"]}, r"'::1' is no host: write names as in Host .*\[::1\]"),
    (AllowedHostsMiddleware, {"allowed_hosts": [1]}, r"allowed_hosts: 1 is int"),
    (AllowedHostsMiddleware, {"allowed_hosts": []}, r"allowed_hosts is empty: name a host, or leave it out"),
    (HTTPSRedirectMiddleware, {"host": ["a"]}, r"host=\['a'\]: give text"),
    (HTTPSRedirectMiddleware, {"host": "a", "allowed_hosts": ["b"]}, r"host= and allowed_hosts= are both given"),
    (HTTPSRedirectMiddleware, {"exempt": ["health"]}, r"exempt: 'health' matches no request"),
]


@pytest.mark.parametrize(("middleware", "options", "message"), MISTAKES)
def test_a_mistake_is_told_when_it_is_built(middleware: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        middleware(**options)


@pytest.mark.parametrize(
    ("middleware", "options"),
    [
        (SecurityMiddleware, {"sessions": False, "csrf": False, "headers": False}),
        (SecurityMiddleware, {"csrf": False, "csrf_exempt": [], "trusted_origins": ()}),
        (SecurityHeadersMiddleware, {"hsts": "max-age=63072000; includeSubDomains; preload"}),
        (SecurityHeadersMiddleware, {"referrer_policy": "no-referrer, strict-origin-when-cross-origin"}),
        (CORSMiddleware, {"allow_origin_regex": ".*"}),
        (
            CORSMiddleware,
            {"allow_origin_regex": r"https://([a-z0-9-]+\.)*a\.example(:\d+)?", "allow_credentials": True},
        ),
        (CORSMiddleware, {"allow_origin_regex": r"https://[^.]+[.]a[]].example".replace("].e", r"]\.e")}),
        (CORSMiddleware, {"allow_origin_regex": r"https://.{3}\.a\.example"}),
        (StaticMiddleware, {"url_prefix": "/", "immutable": True}),
        (CompressionMiddleware, {"level": 0}),
        (RateLimitMiddleware, {"period": 0.5, "key": lambda _: "all"}),
        (ProxyMiddleware, {"trusted": ["unix", "10.0.0.1/8", "::1"]}),
        (AllowedHostsMiddleware, {"allowed_hosts": ["*"]}),
        (AllowedHostsMiddleware, {"allowed_hosts": ["LOCALHOST:8000", "[::1]", "a_b.example", "10.0.0.1"]}),
    ],
)
def test_what_makes_sense(middleware: Any, options: dict[str, Any]) -> None:
    middleware(**options)
