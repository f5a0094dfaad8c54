"""The application that the attacks go to; SITE_STORE says where its sessions are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gobstopper import Gobstopper, Request
from gobstopper.middleware.cors import CORSMiddleware
from gobstopper.middleware.security import SecurityMiddleware
from gobstopper.middleware.static import StaticMiddleware
from gobstopper.sessions.memory_storage import MemorySessionStorage
from gobstopper.sessions.postgres_storage import PostgresSessionStorage
from gobstopper.sessions.redis_storage import AsyncRedisSessionStorage
from gobstopper_middleware import AllowedHostsMiddleware, CompressionMiddleware, LimitsMiddleware, ProxyMiddleware

app = Gobstopper(__name__)
app.config["ALLOWED_HOSTS"] = ["localhost", "example.org"]


def storage() -> Any:
    """The store that the environment names, made as the specification's examples make it."""
    url = os.environ.get("SITE_URL", "")
    match os.environ.get("SITE_STORE", "memory"):
        case "redis":
            from redis.asyncio import Redis

            redis_client = Redis.from_url(url)
            return AsyncRedisSessionStorage(client=redis_client)
        case "postgres":
            return PostgresSessionStorage(dsn=url, create_table=True)
        case "file":
            return None  # the default, below the instance folder
        case _:
            return MemorySessionStorage()


app.add_middleware(ProxyMiddleware, priority=300, trusted=["10.0.0.0/8"])
app.add_middleware(AllowedHostsMiddleware, priority=200)
app.add_middleware(CompressionMiddleware, priority=150)
app.add_middleware(LimitsMiddleware, priority=140, max_body=100_000)
app.add_middleware(StaticMiddleware, priority=120, directory=Path(os.environ.get("SITE_STATIC", ".")))
app.add_middleware(SecurityMiddleware, priority=100, session_storage=storage(), csrf_exempt=["/hook"])
app.add_middleware(CORSMiddleware, priority=90, allow_origins=["https://friend.example"], allow_credentials=True)


@app.get("/pid")
async def pid(request: Request) -> dict[str, Any]:
    return {"pid": os.getpid()}


@app.get("/session")
async def session(request: Request) -> dict[str, Any]:
    return dict(request.session)


@app.get("/count")
async def count(request: Request) -> dict[str, int]:
    request.session["count"] = request.session.get("count", 0) + 1
    return {"count": request.session["count"]}


@app.post("/set/<key>")
async def set_key(request: Request, key: str) -> dict[str, bool]:
    request.session[key] = True
    return {"ok": True}


@app.get("/token")
async def token(request: Request) -> str:
    return str(request.csrf_token)


@app.post("/login")
async def login(request: Request) -> dict[str, Any]:
    form = await request.form()
    request.session.rotate()
    request.session["user"] = form.get("user")
    return {"user": form.get("user")}


@app.post("/logout")
async def logout(request: Request) -> dict[str, bool]:
    request.session.invalidate()
    return {"out": True}


@app.post("/hook")
async def hook(request: Request) -> dict[str, bool]:
    return {"hooked": True}


@app.get("/who")
async def who(request: Request) -> dict[str, Any]:
    return {"client": request.client.host if request.client else None, "scheme": request.scheme, "host": request.host}


@app.get("/page")
async def page(request: Request) -> str:
    return f"<script nonce={request.csp_nonce}></script>"


@app.get("/fail")
async def fail(request: Request) -> None:
    raise RuntimeError("internal detail")


@app.websocket("/ws")
async def ws(websocket: Any) -> None:
    await websocket.accept()
    await websocket.send_json({"count": websocket.session.get("count")})
    await websocket.close()
