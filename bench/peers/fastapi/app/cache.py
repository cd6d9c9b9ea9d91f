"""The guide's two levels: in the process, then Redis. Both hold JSON: unpickling what Redis holds would run code."""

import os

from cachetools import TTLCache
from redis.asyncio import Redis

TTL_SECONDS = 300


class UserCache:
    def __init__(self, redis_url: str | None) -> None:
        self._local: TTLCache[int, bytes] = TTLCache(maxsize=10_000, ttl=TTL_SECONDS)
        self._redis = Redis.from_url(redis_url) if redis_url else None

    def local(self, user_id: int) -> bytes | None:
        return self._local.get(user_id)

    async def shared(self, user_id: int) -> bytes | None:
        if self._redis is None:
            return None
        found = await self._redis.get(f"peer:user:{user_id}")
        if found is not None:
            self._local[user_id] = found
        return found

    async def store(self, user_id: int, json: bytes) -> None:
        self._local[user_id] = json
        if self._redis is not None:
            await self._redis.setex(f"peer:user:{user_id}", TTL_SECONDS, json)


def create_cache() -> UserCache | None:
    if os.environ.get("CACHE") == "off":
        return None
    return UserCache(os.environ.get("REDIS_URL"))
