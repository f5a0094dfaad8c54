"""Choosing a Backend: sessions on Redis."""
# fmt: off
# mypy: ignore-errors

import os

import redis.asyncio

from gobstopper import Gobstopper

# The example's server is the one that the tests have.
_from_url = redis.asyncio.Redis.from_url
redis.asyncio.Redis.from_url = lambda url: _from_url({"redis://localhost": os.environ["EXAMPLE_REDIS"]}[url])

app = Gobstopper(__name__)

# spec:
from redis.asyncio import Redis
from gobstopper.middleware.security import SecurityMiddleware
from gobstopper.sessions.redis_storage import AsyncRedisSessionStorage
redis_client = Redis.from_url("redis://localhost")
storage = AsyncRedisSessionStorage(client=redis_client)
app.add_middleware(SecurityMiddleware, session_storage=storage)
# end

from spec.visits import count_visits

count_visits(app)
