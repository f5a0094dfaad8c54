"""How often somebody may ask."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple, Protocol

from gobstopper_http import HTTPException, Request, Response

from ._attributes import set_attribute
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
    """Where it is kept who asked how often. It must look and write in one step."""

    def hit(self, key: str, rate: Rate) -> Decision | Awaitable[Decision]:
        """Count a request of `key`, unless it is over the rate; with `gcra`, on one number for each key."""
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
    before = now if arrival is None else max(arrival, now)
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
        if max_keys < 1:
            raise ValueError(f"max_keys={max_keys!r}: remember at least one")
        self._max_keys = max_keys
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


def client_key(request: Request) -> str:
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

    The fields are `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers. Behind a proxy put
    `ProxyMiddleware` around it, or all visitors count as one.

    Args:
        limit: Requests within `period`, on the average.
        period: Seconds.
        burst: Requests that may come at once. Default: `limit`.
        key: Who is asking: from the request to text, `None` to let it pass. Default: `client_key`.
        storage: Default: `MemoryRateLimitStorage()`.
        name: Of the policy; limits with different names do not count each other's requests.
        exempt: Exact paths that are not counted.

    Raises:
        ValueError: for a rate that is not positive, or a name that is no plain word.
    """

    def __init__(
        self,
        *,
        limit: int = 100,
        period: float = 60.0,
        burst: int | None = None,
        key: Callable[[Request], str | None] = client_key,
        storage: RateLimitStorage | None = None,
        name: str = "default",
        exempt: Iterable[str] = (),
    ) -> None:
        rate = Rate(limit, period, limit if burst is None else burst)
        if rate.limit < 1 or rate.burst < 1 or not 0 < rate.period < math.inf:
            raise ValueError(f"limit={limit!r}, period={period!r}, burst={burst!r}: all have to be more than 0")
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f"name={name!r}: use letters, digits and _")
        self._rate = rate
        self._key = key
        self._storage: RateLimitStorage = MemoryRateLimitStorage() if storage is None else storage
        self._name = name
        self._exempt = frozenset(exempt)
        self._policy = f'"{name}";q={rate.limit};w={math.ceil(rate.period)}'
        self._attribute = f"rate_limit_{name}"

    def __call__(self, request: Request, next_handler: Next) -> Awaitable[Response]:
        """Count, and go on.

        Raises:
            HTTPException: 429.
        """
        if request.path in self._exempt or (key := self._key(request)) is None:
            return next_handler(request)
        return self._count(request, next_handler, key)

    async def _count(self, request: Request, next_handler: Next, key: str) -> Response:
        found = self._storage.hit(f"{self._name}:{key}", self._rate)
        decision = await found if isawaitable(found) else found
        set_attribute(request, self._attribute, decision)
        if not decision.allowed:
            retry = str(max(math.ceil(decision.retry_after), 1))
            fields = {} if self._dressed_outside else dict(self._fields(decision))
            raise HTTPException(429, "Too many requests.", {"Retry-After": retry, **fields})
        return await super().__call__(request, next_handler)

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
