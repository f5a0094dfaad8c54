"""The contenders: each a module with an `app` that answers the workloads in the way its framework documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

BASE = "raw RSGI"


@dataclass(frozen=True)
class Contender:
    """A framework, or the bare server."""

    name: str
    module: str  # below benchmarks.contenders
    interface: str
    apps: frozenset[str] = frozenset({"app"})  # which of the workloads' apps it has
    env: Mapping[str, str] = field(default_factory=dict)
    needs: str | None = None  # a module without which it is left out

    @property
    def available(self) -> bool:
        """Whether what it needs is installed."""
        return self.needs is None or find_spec(self.needs) is not None


OURS = frozenset({"app", "stack", "routes_10", "routes_1000"})

CONTENDERS = {
    contender.name: contender
    for contender in [
        Contender(BASE, "raw_rsgi", "rsgi", OURS),
        Contender("raw ASGI", "raw_asgi", "asgi"),
        Contender("Gobstopper", "gobstopper", "rsgi", OURS, {"GOBSTOPPER_IMPL": "python"}, "gobstopper"),
        Contender("Gobstopper, wheels", "gobstopper", "rsgi", OURS, {"GOBSTOPPER_IMPL": "rust"}, "gobstopper_http_rs"),
        Contender("matchapi", "matchapi", "rsgi", needs="matchapi"),
        Contender("BlackSheep", "blacksheep", "asgi", needs="blacksheep"),
        Contender("Emmett55", "emmett55", "rsgi", needs="emmett55"),
        Contender("Starlette", "starlette", "asgi", needs="starlette"),
        Contender("Litestar", "litestar", "asgi", needs="litestar"),
        Contender("FastAPI", "fastapi", "asgi", needs="fastapi"),
    ]
}
