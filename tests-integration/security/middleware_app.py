"""The application that the attacks on middleware go to; SITE_MODE says what stands before it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from gobstopper import Gobstopper, Request
from gobstopper_http import Response, StreamingResponse
from gobstopper_middleware import (
    AllowedHostsMiddleware,
    CompressionMiddleware,
    CORSMiddleware,
    HTTPSRedirectMiddleware,
    ProxyMiddleware,
    RateLimitMiddleware,
    RequestIDMiddleware,
    SecurityMiddleware,
    StaticMiddleware,
    outgoing_headers,
)
from gobstopper_sessions import MemorySessionStorage

MODE = os.environ.get("SITE_MODE", "plain")
PAGE = "a secret, and text of the visitor's choice. " * 100

app = Gobstopper(__name__)
app.config["ALLOWED_HOSTS"] = ["localhost", "example.org"]

if MODE == "proxied":
    app.add_middleware(ProxyMiddleware, priority=300, trusted=["127.0.0.0/8"])
if MODE == "https":
    app.add_middleware(HTTPSRedirectMiddleware, priority=290)
if MODE == "limited":
    app.add_middleware(RateLimitMiddleware, priority=280, limit=6, period=3600, exempt=["/pid"])
app.add_middleware(RequestIDMiddleware, priority=270, trust_incoming=MODE != "limited")
app.add_middleware(AllowedHostsMiddleware, priority=260)
app.add_middleware(CompressionMiddleware, priority=200)
app.add_middleware(CORSMiddleware, priority=150, allow_origins=["https://friend.example"], allow_credentials=True)
app.add_middleware(SecurityMiddleware, priority=100, session_storage=MemorySessionStorage())
app.add_middleware(StaticMiddleware, priority=60, directory=os.environ["SITE_STATIC"], index=True)


@app.get("/pid")
async def pid(request: Request) -> dict[str, Any]:
    return {"pid": os.getpid()}


@app.get("/login")
async def login(request: Request) -> dict[str, Any]:
    request.session["user"] = "ada"
    return {"token": request.csrf_token}


@app.get("/who")
async def who(request: Request) -> dict[str, Any]:
    return {
        "client": request.client.host if request.client else None,
        "scheme": request.scheme,
        "host": request.host,
        "out": outgoing_headers(request),
    }


@app.get("/page")
async def page(request: Request) -> Response:
    controls = request.args.getlist("control")
    headers = [("cache-control", control) for control in controls]
    headers += [("vary", value) for value in request.args.getlist("vary")]
    return Response(PAGE, headers=headers)


@app.get("/late")
async def late(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield PAGE
        yield f"user: {request.session.get('user')}"

    return StreamingResponse(chunks(), content_type="text/html; charset=utf-8")


@app.get("/nonce")
async def nonce(request: Request) -> str:
    return f"<script nonce={request.csp_nonce}></script>"


@app.websocket("/ws")
async def ws(websocket: Any) -> None:
    await websocket.accept()
    await websocket.send_text(f"{websocket.id} {websocket.session.get('user')}")
    await websocket.close()
