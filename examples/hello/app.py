"""The smallest application: `granian --interface rsgi app:app`, or `gobstopper run --reload`."""

from __future__ import annotations

from gobstopper import Gobstopper

app = Gobstopper(__name__)


@app.get("/")
async def index() -> str:
    return "<h1>Hello</h1>"


@app.get("/hello/<name>")
async def hello(name: str) -> dict[str, str]:
    return {"hello": name}
