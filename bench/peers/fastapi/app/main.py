"""Settings: DATABASE_URL, REDIS_URL, and CACHE=off for a service without its cache."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .cache import create_cache
from .database import Order, Product, User, engine, get_db, timestamp

# Without GZipMiddleware: no request here accepts gzip, and the middleware would cost each of them a little.
app = FastAPI(title="The guide's FastAPI application")
cache = create_cache()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


def user_json(user: Any) -> dict[str, Any]:
    return {"id": user.id, "email": user.email, "name": user.name, "createdAt": timestamp(user.created_at)}


async def read_user(user_id: int, db: AsyncSession) -> dict[str, Any]:
    result = await db.execute(select(User).where(User.id == user_id))
    user = result.scalars().first()
    if user is None:
        raise HTTPException(status_code=404, detail="no such user")
    return user_json(user)


# A route of a service has one implementation; which one is decided at the start, so that neither pays for the other.
if cache is None:

    @app.get("/users/{user_id}")
    async def get_user(user_id: int = Path(ge=1), db: AsyncSession = Depends(get_db)) -> Response:
        return JSONResponse(await read_user(user_id, db))

else:

    @app.get("/users/{user_id}")
    async def get_cached_user(user_id: int = Path(ge=1)) -> Response:
        # The stored JSON is sent as it is: rendering it again would take longer than all the rest of the request.
        found = cache.local(user_id) or await cache.shared(user_id)
        if found is None:
            async with AsyncSession(engine) as db:
                found = json.dumps(await read_user(user_id, db), separators=(",", ":")).encode()
            await cache.store(user_id, found)
        return Response(found, media_type="application/json")


@app.get("/users")
async def list_users(
    limit: int = Query(50, ge=1, le=500), after: str | None = None, db: AsyncSession = Depends(get_db)
) -> Response:
    first = 0 if after is None else int(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    # Columns rather than entities: building an object for each row of a list costs more than the query.
    columns = select(User.id, User.email, User.name, User.created_at)
    rows = (await db.execute(columns.where(User.id > first).order_by(User.id).limit(limit + 1))).all()
    items = [user_json(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    cursor = urlsafe_b64encode(str(items[-1]["id"]).encode()).rstrip(b"=").decode() if has_more else None
    return JSONResponse({"items": items, "next": cursor})


async def fetch(statement: Any) -> list[Any]:
    # A connection of its own for each list, because a session runs one statement at a time.
    async with engine.connect() as connection:
        return (await connection.execute(statement)).all()


@app.get("/all")
async def get_all(limit: int = Query(100, ge=1, le=500)) -> Response:
    users, orders, products = await asyncio.gather(
        fetch(select(User.id, User.email, User.name, User.created_at).order_by(User.id).limit(limit)),
        fetch(
            select(
                Order.id,
                Order.user_id,
                Order.product_id,
                Order.quantity,
                Order.total_cents,
                Order.status,
                Order.created_at,
            )
            .order_by(Order.created_at.desc(), Order.id.desc())
            .limit(limit)
        ),
        fetch(select(Product.id, Product.name, Product.category, Product.price_cents).order_by(Product.id).limit(limit)),
    )
    return JSONResponse(
        {
            "users": [user_json(row) for row in users],
            "orders": [
                {
                    "id": row.id,
                    "userId": row.user_id,
                    "productId": row.product_id,
                    "quantity": row.quantity,
                    "totalCents": row.total_cents,
                    "status": row.status,
                    "createdAt": timestamp(row.created_at),
                }
                for row in orders
            ],
            "products": [
                {"id": row.id, "name": row.name, "category": row.category, "priceCents": row.price_cents}
                for row in products
            ],
        }
    )
