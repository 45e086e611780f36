"""Sessions on the server: the browser holds 256 random bits, the store their hash."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.security.store import account, login_session

IDLE_S: Final = 12 * 3600
ABSOLUTE_S: Final = 7 * 24 * 3600
SEEN_EVERY_S: Final = 300  # how often use is written down: a session lives up to this much longer than idle
SESSIONS_PER_ACCOUNT: Final = 32
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in. `id` is the cookie's value and `csrf` what each unsafe request must repeat; neither is ever shown."""

    id: str = field(repr=False)
    user: str
    scope: Scope
    csrf: str = field(repr=False)


def hashed(secret: str) -> str:
    """What the store keeps of 256 random bits; without salt or cost, since there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def csrf_of(session_id: str) -> str:
    """The CSRF token: derived from the session, so that it dies with it and is stored nowhere."""
    return hmac.new(session_id.encode(), b"csrf", hashlib.sha256).hexdigest()


def scope_of_row(row: Any, user: str) -> Scope:
    """The scope that an account's or a token's row grants."""
    return Scope(row.tenant, Role(row.role), user, tuple(json.loads(row.regions)), tuple(json.loads(row.customers)))


async def begin(conn: AsyncConnection, owner: Any, now_ns: int) -> Session:
    """A fresh session of an account's row; the oldest give way when there are too many."""
    session_id = secrets.token_urlsafe(SECRET_BYTES)
    await _make_room(conn, owner.id, now_ns)
    row = {"tenant": owner.tenant, "id_hash": hashed(session_id), "account_id": owner.id, "created_ns": now_ns, "seen_ns": now_ns}
    await conn.execute(sa.insert(login_session).values(row))
    return Session(session_id, owner.name, scope_of_row(owner, owner.name), csrf_of(session_id))


async def find(conn: AsyncConnection, session_id: str, now_ns: int) -> tuple[Session, bool] | None:
    """The living session, and whether its use is due to be written down (`touch`)."""
    joined = sa.select(account, login_session.c.seen_ns).join(login_session, login_session.c.account_id == account.c.id)
    living = (login_session.c.id_hash == hashed(session_id)) & _alive(now_ns) & ~account.c.disabled
    row = (await conn.execute(joined.where(living))).one_or_none()
    if row is None:
        return None
    session = Session(session_id, row.name, scope_of_row(row, row.name), csrf_of(session_id))
    return session, now_ns - row.seen_ns >= SEEN_EVERY_S * NS_PER_S


async def touch(conn: AsyncConnection, session_id: str, now_ns: int) -> None:
    await conn.execute(sa.update(login_session).where(login_session.c.id_hash == hashed(session_id)).values(seen_ns=now_ns))


async def end(conn: AsyncConnection, session_id: str) -> None:
    await conn.execute(sa.delete(login_session).where(login_session.c.id_hash == hashed(session_id)))


async def end_all(conn: AsyncConnection, account_id: str) -> None:
    """End every session of an account: its password, role or standing changed."""
    await conn.execute(sa.delete(login_session).where(login_session.c.account_id == account_id))


def _alive(now_ns: int) -> sa.ColumnElement[bool]:
    idle = login_session.c.seen_ns > now_ns - IDLE_S * NS_PER_S
    return idle & (login_session.c.created_ns > now_ns - ABSOLUTE_S * NS_PER_S)


async def _make_room(conn: AsyncConnection, account_id: str, now_ns: int) -> None:
    await conn.execute(sa.delete(login_session).where(~_alive(now_ns)))
    mine = sa.select(login_session.c.id_hash).where(login_session.c.account_id == account_id)
    kept = (await conn.execute(mine.order_by(login_session.c.created_ns.desc()))).scalars().all()
    surplus = kept[SESSIONS_PER_ACCOUNT - 1 :]
    await conn.execute(sa.delete(login_session).where(login_session.c.id_hash.in_(surplus)))
