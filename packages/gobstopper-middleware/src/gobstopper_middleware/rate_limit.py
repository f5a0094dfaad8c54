"""How often somebody may ask."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple, Protocol

from gobstopper_http import HTTPException, Request, Response, WebSocket

from ._attributes import set_attribute
from ._options import check_number, check_paths, check_text
from ._standalone import Next, Standalone

__all__ = [
    "Decision",
    "MemoryRateLimitStorage",
    "Rate",
    "RateLimitMiddleware",
    "RateLimitStorage",
    "client_key",
    "gcra",
]

logger = logging.getLogger("gobstopper.rate_limit")

_LONGEST_KEY = 128
"""Characters; of a longer key the hash is used."""

_STORE_TIMEOUT = 1.0
"""Seconds that a store gets: one that is down must not hold up everybody."""


class Rate(NamedTuple):
    """How much is allowed.

    Attributes:
        limit: Requests within `period`, on the average.
        period: Seconds.
        burst: Requests that may come at once.
    """

    limit: int
    period: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds between two requests, on the average."""
        return self.period / self.limit


class Decision(NamedTuple):
    """Whether a request may pass.

    Attributes:
        allowed: Whether it may.
        remaining: How many more may come now.
        reset_after: Seconds until `burst` may come at once again.
        retry_after: Seconds until the next one may come; 0 if it may now.
    """

    allowed: bool
    remaining: int
    reset_after: float
    retry_after: float


class RateLimitStorage(Protocol):
    """Where it is kept who asked how often.

    It must look and write in one step, or requests at the same time count as one; forget a key once its arrival time
    has passed; and use one clock for all who share it. An error, or no answer within a second, makes the answer 503: a
    store that should let everybody pass while its server is down has to catch that itself. Whether a store of your own
    does all this is told by `gobstopper_middleware.conformance`.
    """

    def hit(self, key: str, rate: Rate) -> Decision | Awaitable[Decision]:
        """Count a request of `key`, unless it is over the rate; with `gcra`, on one number for each key.

        Args:
            key: The policy's name, a colon and the client: any text, often one that a client chose.
            rate: What is allowed; it may change from one start of the application to the next.
        """
        ...


def gcra(arrival: float | None, now: float, rate: Rate) -> tuple[float, Decision]:
    """The generic cell rate algorithm (ITU-T I.371), which needs one number for each key and has no windows to abuse.

    Args:
        arrival: The theoretical arrival time that was stored, `None` for a new key.
        now: The time, of the same clock.
        rate: What is allowed.

    Returns:
        The arrival time to store (unchanged if the request is refused) and the decision.
    """
    interval = rate.interval
    # A clock that was set back, or a rate that has become tighter, must not shut anybody out for longer than a full
    # burst takes.
    before = now if arrival is None else min(max(arrival, now), now + rate.burst * interval)
    following = before + interval
    wait = following - now - rate.burst * interval
    # Sums of the interval are not exact: without some slack the last request of a burst would be refused.
    if wait > interval * 1e-6:
        return before, Decision(False, 0, before - now, wait)
    remaining = int((rate.burst * interval - (following - now)) / interval + 1e-6)
    return following, Decision(True, max(remaining, 0), following - now, 0.0)


class MemoryRateLimitStorage:
    """Counts in this process alone: with several workers everybody may ask that many times as often.

    Args:
        max_keys: How many are remembered; beyond it whoever asked longest ago is forgotten.
    """

    def __init__(self, max_keys: int = 100_000) -> None:
        self._max_keys: int = check_number("max_keys", max_keys, least=1)
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._arrivals)

    def hit(self, key: str, rate: Rate) -> Decision:
        """See `RateLimitStorage`."""
        now = time.monotonic()
        arrivals = self._arrivals
        arrivals[key], decision = gcra(arrivals.get(key), now, rate)
        arrivals.move_to_end(key)
        # A look at the oldest with every request: those that are as good as new go, and memory stays bounded.
        oldest = next(iter(arrivals))
        if len(arrivals) > self._max_keys or arrivals[oldest] <= now:
            del arrivals[oldest]
        return decision


def client_key(request: Request | WebSocket) -> str:
    """The client's address, of IPv6 the network of 64 bits that one subscriber has at least."""
    client = request.client
    if client is None or client.host.startswith("unix:"):
        return "local"
    try:
        address = ip_address(client.host.partition("%")[0])
    except ValueError:
        return client.host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


class RateLimitMiddleware(Standalone):
    """Refuses (429) what comes too often, with `Retry-After`, and says on every answer what is left.

    The handshake of a WebSocket counts as a request.

    The fields are `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers. Behind a proxy put
    `ProxyMiddleware` around it, or all visitors count as one.

    Args:
        limit: Requests within `period`, on the average.
        period: Seconds.
        burst: Requests that may come at once. Default: `limit`.
        key: Who is asking: from the request (or WebSocket) to text, `None` to let it pass; of a long text the hash
            counts. Default: `client_key`.
        storage: Default: `MemoryRateLimitStorage()`.
        name: Of the policy; limits with different names do not count each other's requests.
        exempt: Exact paths that are not counted.

    Raises:
        TypeError, ValueError: for a rate that is not positive, a name that is no plain word, and for other arguments
            that make no sense.
    """

    def __init__(
        self,
        *,
        limit: int = 100,
        period: float = 60.0,
        burst: int | None = None,
        key: Callable[[Any], str | None] = client_key,
        storage: RateLimitStorage | None = None,
        name: str = "default",
        exempt: Iterable[str] = (),
    ) -> None:
        check_number("limit", limit, more_than_zero=True)
        check_number("period", period, whole=False, more_than_zero=True, hint=", in seconds")
        if burst is not None:
            check_number("burst", burst, more_than_zero=True)
        rate = Rate(limit, period, limit if burst is None else burst)
        if not check_text("name", name).isidentifier() or not name.isascii():
            raise ValueError(f"name={name!r}: use letters, digits and _")
        if not callable(key):
            raise TypeError(f"key={key!r}: give a function from the request to text, such as client_key")
        if storage is not None and (isinstance(storage, type) or not callable(getattr(storage, "hit", None))):
            raise TypeError(
                f"storage={storage!r} is no store: give an object with hit(key, rate), see RateLimitStorage"
            )
        self._rate = rate
        self._key = key
        self._storage: RateLimitStorage = MemoryRateLimitStorage() if storage is None else storage
        self._name = name
        self._exempt = check_paths("exempt", exempt)
        self._policy = f'"{name}";q={rate.limit};w={math.ceil(rate.period)}'
        self._attribute = f"rate_limit_{name}"

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Count, and go on.

        Raises:
            HTTPException: 429, and 503 if the store fails.
        """
        if request.path in self._exempt or (key := self._key(request)) is None:
            return next_handler(request)
        return self._count(request, next_handler, key)

    async def _count(self, request: Request, next_handler: Next, key: str) -> Response:
        decision = await self._hit(key)
        set_attribute(request, self._attribute, decision)
        if not decision.allowed:
            fields = {} if self._dressed_outside else dict(self._fields(decision))
            raise HTTPException(429, "Too many requests.", {"Retry-After": _seconds(decision.retry_after), **fields})
        return await super().__call__(request, next_handler)

    async def websocket(self, websocket: WebSocket, next_handler: Callable[[WebSocket], Awaitable[Any]]) -> None:
        """Count the handshake, and go on.

        Raises:
            HTTPException: 429, 503.
        """
        if websocket.path not in self._exempt and (key := self._key(websocket)) is not None:
            decision = await self._hit(key)
            if not decision.allowed:
                raise HTTPException(429, "Too many requests.", {"Retry-After": _seconds(decision.retry_after)})
        await next_handler(websocket)

    async def _hit(self, key: str) -> Decision:
        # A key may be a header that the client chose: a store is bounded by the number of keys, so they are short.
        short = key if len(key) <= _LONGEST_KEY else f"sha256:{sha256(key.encode('utf-8', 'replace')).hexdigest()}"
        try:
            found = self._storage.hit(f"{self._name}:{short}", self._rate)
            if isinstance(found, Decision):
                return found
            async with asyncio.timeout(_STORE_TIMEOUT):
                return await found
        except HTTPException:
            raise
        except Exception as error:
            logger.error("rate limit store %s failed: %r", type(self._storage).__name__, error)
            raise HTTPException(503, "The service is not available.", {"Retry-After": "1"}) from error

    def finalize(self, request: Request, response: Response) -> None:
        """Say what is left."""
        decision = request.__dict__.get(self._attribute)
        if isinstance(decision, Decision):
            for name, value in self._fields(decision):
                response.headers.add(name, value)

    def _fields(self, decision: Decision) -> list[tuple[str, str]]:
        return [
            ("ratelimit-policy", self._policy),
            ("ratelimit", f'"{self._name}";r={decision.remaining};t={math.ceil(decision.reset_after)}'),
        ]


def _seconds(wait: float) -> str:
    return str(max(math.ceil(wait), 1))
