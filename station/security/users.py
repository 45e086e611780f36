"""Accounts, and the links that stand in for a default password: each works once, for a short time."""

import json
import secrets
import unicodedata
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from station.clock import NS_PER_S
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.security.sessions import SECRET_BYTES, hashed
from station.security.store import account, one_time_link

NAME_MAX: Final = 64
FIRST_LINK_S: Final = 24 * 3600
LOGIN_LINK_S: Final = 3600
Purpose = Literal["first", "login"]


class AccountError(Exception):
    """An account that cannot be made or does not exist; the text says why, for the person who asked."""


class LinkError(Exception):
    """A one-time link that is unknown, used or expired; the three are not told apart."""

    def __init__(self) -> None:
        super().__init__("This link has been used, has expired, or never existed. Ask for a new one.")


def folded(name: str) -> str:
    """The one spelling of a user name: NFKC, case folded, trimmed. Any text gives one; only `checked` ones are stored."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def checked(name: str) -> str:
    """The stored spelling of a new name; AccountError unless it is 1 to 64 letters, digits or . _ - @ +"""
    stored = folded(name)
    if not 1 <= len(stored) <= NAME_MAX or not all(c.isalnum() or c in "._-@+" for c in stored):
        raise AccountError(f"A user name has 1 to {NAME_MAX} letters, digits or . _ - @ +")
    return stored


async def any_account(conn: AsyncConnection, tenant: int) -> bool:
    return (await conn.execute(sa.select(account.c.id).where(account.c.tenant == tenant).limit(1))).first() is not None


async def by_name(conn: AsyncConnection, tenant: int, name: str) -> Any:
    """The row of a living account, or None."""
    mine = (account.c.tenant == tenant) & (account.c.name == folded(name)) & ~account.c.disabled
    return (await conn.execute(sa.select(account).where(mine))).one_or_none()


async def by_id(conn: AsyncConnection, tenant: int, account_id: str) -> Any:
    mine = (account.c.tenant == tenant) & (account.c.id == account_id) & ~account.c.disabled
    return (await conn.execute(sa.select(account).where(mine))).one_or_none()


async def add(conn: AsyncConnection, scope: Scope, name: str, password_hash: str, role: Role, now_ns: int) -> str:
    """Make an account inside the caller's transaction; return its id. AccountError when the name is taken."""
    row = {
        "tenant": scope.tenant,
        "id": new_id(now_ns),
        "name": checked(name),
        "password_hash": password_hash,
        "role": role.value,
        "regions": json.dumps(scope.regions),
        "customers": json.dumps(scope.customers),
        "disabled": False,
        "created_ns": now_ns,
    }
    try:
        await conn.execute(sa.insert(account).values(row))
    except IntegrityError as error:
        raise AccountError(f"There is already a user {row['name']!r}.") from error
    await audit.record(conn, scope, "account.add", f"account:{row['name']}", now_ns=now_ns, after={"role": row["role"]})
    return str(row["id"])


async def change(conn: AsyncConnection, scope: Scope, name: str, act: str, now_ns: int, **values: Any) -> str:
    """Change columns of an account and audit the act (never the values: one is a hash); return its id."""
    mine = (account.c.tenant == scope.tenant) & (account.c.name == folded(name))
    found = (await conn.execute(sa.select(account.c.id).where(mine))).scalar_one_or_none()
    if found is None:
        raise AccountError(f"There is no user {folded(name)!r}.")
    await conn.execute(sa.update(account).where(mine).values(**values))
    await audit.record(conn, scope, act, f"account:{folded(name)}", now_ns=now_ns)
    return str(found)


async def listed(conn: AsyncConnection, tenant: int) -> list[dict[str, Any]]:
    columns = (account.c.id, account.c.name, account.c.role, account.c.disabled, account.c.created_ns)
    query = sa.select(*columns).where(account.c.tenant == tenant).order_by(account.c.name)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def make_link(conn: AsyncConnection, tenant: int, purpose: Purpose, now_ns: int, account_id: str = "") -> str:
    """A new token of a one-time link; earlier ones of the same purpose and account stop working."""
    mine = (one_time_link.c.tenant == tenant) & (one_time_link.c.purpose == purpose) & (one_time_link.c.account_id == account_id)
    await conn.execute(sa.delete(one_time_link).where(mine | (one_time_link.c.expires_ns <= now_ns)))
    token = secrets.token_urlsafe(SECRET_BYTES)
    lives_s = FIRST_LINK_S if purpose == "first" else LOGIN_LINK_S
    row = {"tenant": tenant, "token_hash": hashed(token), "purpose": purpose, "account_id": account_id}
    await conn.execute(sa.insert(one_time_link).values(**row, expires_ns=now_ns + lives_s * NS_PER_S))
    return token


async def link_is_open(conn: AsyncConnection, tenant: int, purpose: Purpose, token: str, now_ns: int) -> bool:
    return (await conn.execute(sa.select(one_time_link.c.purpose).where(_usable(tenant, purpose, token, now_ns)))).first() is not None


async def use_link(conn: AsyncConnection, tenant: int, purpose: Purpose, token: str, now_ns: int) -> str:
    """Use up a link: whoever deletes the row was first. Return its account id ("" for the first link) or raise LinkError."""
    usable = _usable(tenant, purpose, token, now_ns)
    used = (await conn.execute(sa.delete(one_time_link).where(usable).returning(one_time_link.c.account_id))).scalar_one_or_none()
    if used is None:
        raise LinkError
    return str(used)


def _usable(tenant: int, purpose: Purpose, token: str, now_ns: int) -> sa.ColumnElement[bool]:
    this = (one_time_link.c.token_hash == hashed(token)) & (one_time_link.c.tenant == tenant)
    return this & (one_time_link.c.purpose == purpose) & (one_time_link.c.expires_ns > now_ns)
