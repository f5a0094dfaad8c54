"""Whole middleware stacks, for `benchmarks.middleware`: `benchmarks.contenders.stacks:<name>_app` makes one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

GREETING = "Hello, World!"
FILES = Path(tempfile.gettempdir()) / "gobstopper-benchmark-static"
SIZES = {"1k.txt": 1024, "100k.txt": 100 * 1024}
REDIS = "GOBSTOPPER_TEST_REDIS_URL"


def content(size: int) -> bytes:
    """The same bytes at every start, that do not repeat."""
    return b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(size // 64))


def files() -> Path:
    """A folder with the static files."""
    FILES.mkdir(exist_ok=True)
    for name, size in SIZES.items():
        path = FILES / name
        if not path.exists() or path.stat().st_size != size:
            path.write_bytes(content(size))
    return FILES


def raw_rsgi() -> Any:
    """No framework: a text, and files from a dict of bytes."""
    text = [("content-type", "text/html; charset=utf-8")]
    bodies = {f"/static/{name}": content(size) for name, size in SIZES.items()}

    async def app(scope: Any, proto: Any) -> None:
        body = bodies.get(scope.path)
        if body is None:
            proto.response_str(200, text, GREETING)
        elif scope.headers.get("if-none-match") == '"raw"':
            proto.response_empty(304, [("etag", '"raw"')])
        else:
            proto.response_bytes(200, [("content-type", "text/plain"), ("etag", '"raw"')], body)

    return app


def raw_file() -> Any:
    """No framework: files by the server's own `response_file`."""
    files()
    fields = {
        f"/static/{name}": [("content-type", "text/plain"), ("content-length", str(size))]
        for name, size in SIZES.items()
    }

    async def app(scope: Any, proto: Any) -> None:
        path = scope.path
        proto.response_file(200, fields[path], f"{FILES}/{path.rpartition('/')[2]}")

    return app


def gobstopper(redis: str | None = None) -> Any:
    """Ours."""
    from gobstopper import Gobstopper, Request
    from gobstopper_middleware import CORSMiddleware, SecurityMiddleware, StaticMiddleware
    from gobstopper_sessions import AsyncRedisSessionStorage, MemorySessionStorage

    storage = MemorySessionStorage() if redis is None else AsyncRedisSessionStorage(url=redis)
    app = Gobstopper("benchmark")
    app.config["ALLOWED_HOSTS"] = ["localhost"]
    app.add_middleware(StaticMiddleware, priority=110, directory=files())
    app.add_middleware(SecurityMiddleware, priority=100, session_storage=storage)
    app.add_middleware(CORSMiddleware, priority=90, allow_origins=["https://friend.example"])
    numbers = count(1_000_000)

    @app.get("/start")
    async def start(request: Request) -> str:
        request.session["user"] = 7
        return GREETING

    @app.get("/read")
    async def read(request: Request) -> str:
        return GREETING

    @app.post("/write")
    async def writing(request: Request) -> str:
        request.session["number"] = next(numbers)
        return GREETING

    return app


def starlette() -> Any:
    """Starlette: cookies that are signed, CORS; it has no CSRF protection."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    numbers = count(1_000_000)

    async def start(request: Request) -> Response:
        request.session["user"] = 7
        return HTMLResponse(GREETING)

    async def read(request: Request) -> Response:
        return HTMLResponse(GREETING)

    async def writing(request: Request) -> Response:
        request.session["number"] = next(numbers)
        return HTMLResponse(GREETING)

    return Starlette(
        routes=[
            Route("/start", start),
            Route("/read", read),
            Route("/write", writing, methods=["POST"]),
            Mount("/static", StaticFiles(directory=files())),
        ],
        middleware=[
            Middleware(SessionMiddleware, secret_key="x" * 32),
            Middleware(CORSMiddleware, allow_origins=["https://friend.example"]),
        ],
    )


def litestar(redis: str | None = None) -> Any:
    """Litestar: a session on the server, CSRF protection, CORS."""
    from litestar import Litestar, MediaType, Request, get, post
    from litestar.config.cors import CORSConfig
    from litestar.config.csrf import CSRFConfig
    from litestar.middleware.session.server_side import ServerSideSessionConfig
    from litestar.stores.redis import RedisStore

    numbers = count(1_000_000)

    @get("/start", media_type=MediaType.HTML)
    async def start(request: Request[Any, Any, Any]) -> str:
        request.session["user"] = 7
        return GREETING

    @get("/read", media_type=MediaType.HTML)
    async def read() -> str:
        return GREETING

    @post("/write", media_type=MediaType.HTML, status_code=200)
    async def writing(request: Request[Any, Any, Any]) -> str:
        request.session["number"] = next(numbers)
        return GREETING

    return Litestar(
        [start, read, writing],
        middleware=[ServerSideSessionConfig().middleware],
        csrf_config=CSRFConfig(secret="x" * 32),
        cors_config=CORSConfig(allow_origins=["https://friend.example"]),
        openapi_config=None,
        stores={} if redis is None else {"sessions": RedisStore.with_client(redis)},
    )


MAKERS: dict[str, Callable[[], Any]] = {
    "raw_rsgi": raw_rsgi,
    "raw_file": raw_file,
    "gobstopper": gobstopper,
    "starlette": starlette,
    "litestar": litestar,
    "gobstopper_redis": lambda: gobstopper(os.environ[REDIS]),
    "litestar_redis": lambda: litestar(os.environ[REDIS]),
}


class _Maker:
    """Makes an application at the first look at it, in the server's process alone."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name in {"__rsgi__", "__rsgi_init__", "__rsgi_del__"}:
            app = self._made()
            return getattr(app, name) if name != "__rsgi__" else getattr(app, name, app)
        raise AttributeError(name)

    def __call__(self, *arguments: Any) -> Any:
        return self._made()(*arguments)

    def _made(self) -> Any:
        if "_app" not in self.__dict__:
            self.__dict__["_app"] = self._make()
        return self.__dict__["_app"]


def __getattr__(name: str) -> Any:
    if name.endswith("_app") and name.removesuffix("_app") in MAKERS:
        return _Maker(MAKERS[name.removesuffix("_app")])
    raise AttributeError(name)
