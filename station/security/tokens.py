"""API tokens: `tl_` and 256 random bits, stored as a hash, with a role, an owner and an end."""

import json
import secrets
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from station.clock import NS_PER_S
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.security.sessions import SECRET_BYTES, hashed, scope_of_row
from station.security.store import account, api_token

PREFIX: Final = "tl_"
DAYS_MAX: Final = 366
TOKENS_MAX: Final = 1000  # living ones per tenant
NAME_MAX: Final = 64


class TokenError(Exception):
    """A token that cannot be made; the text says why."""


async def make(conn: AsyncConnection, scope: Scope, name: str, role: Role, days: int, now_ns: int) -> str:
    """A new token with at most the maker's role and exactly the maker's regions and customers. It is shown this once."""
    scope.require(role, f"making a token for {role}")
    if not 1 <= days <= DAYS_MAX or not 1 <= len(name) <= NAME_MAX:
        raise TokenError(f"A token lives 1 to {DAYS_MAX} days and has a name of 1 to {NAME_MAX} characters.")
    if await _count(conn, scope.tenant, now_ns) >= TOKENS_MAX:
        raise TokenError(f"There are {TOKENS_MAX} living tokens already; revoke some first.")
    token = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "tenant": scope.tenant,
        "id": new_id(now_ns),
        "token_hash": hashed(token),
        "name": name,
        "owner": scope.user,
        "role": role.value,
        "regions": json.dumps(scope.regions),
        "customers": json.dumps(scope.customers),
        "created_ns": now_ns,
        "expires_ns": now_ns + days * 86_400 * NS_PER_S,
        "revoked_ns": 0,
    }
    await conn.execute(sa.insert(api_token).values(row))
    after = {"name": name, "role": role.value, "days": days}
    await audit.record(conn, scope, "token.make", f"token:{row['id']}", now_ns=now_ns, after=after)
    return token


async def find(conn: AsyncConnection, token: str, now_ns: int) -> Scope | None:
    """The scope of a living token whose owner is not disabled; the user is named `owner (token name)`."""
    if not token.startswith(PREFIX):
        return None
    owners = (account.c.tenant == api_token.c.tenant) & (account.c.name == api_token.c.owner)
    living = (api_token.c.token_hash == hashed(token)) & _alive(now_ns) & ~sa.func.coalesce(account.c.disabled, sa.false())
    row = (await conn.execute(sa.select(api_token).join(account, owners, isouter=True).where(living))).one_or_none()
    return None if row is None else scope_of_row(row, f"{row.owner} ({row.name})"[:NAME_MAX])


async def listed(conn: AsyncConnection, scope: Scope) -> list[dict[str, Any]]:
    """The tenant's tokens without their hashes: an administrator's view of all, anyone else's of their own."""
    names = ("id", "name", "owner", "role", "created_ns", "expires_ns", "revoked_ns")
    query = sa.select(*(api_token.c[name] for name in names)).where(_visible(scope)).order_by(api_token.c.created_ns.desc())
    return [dict(row) for row in (await conn.execute(query.limit(TOKENS_MAX))).mappings()]


async def revoke(conn: AsyncConnection, scope: Scope, token_id: str, now_ns: int) -> bool:
    """End a token; False when there is no such living token in sight."""
    mine = _visible(scope) & (api_token.c.id == token_id) & (api_token.c.revoked_ns == 0)
    if (await conn.execute(sa.update(api_token).where(mine).values(revoked_ns=now_ns))).rowcount == 0:
        return False
    await audit.record(conn, scope, "token.revoke", f"token:{token_id}", now_ns=now_ns)
    return True


def _visible(scope: Scope) -> sa.ColumnElement[bool]:
    mine = api_token.c.tenant == scope.tenant
    return mine if scope.role is Role.ADMIN else mine & (api_token.c.owner == scope.user)


def _alive(now_ns: int) -> sa.ColumnElement[bool]:
    return (api_token.c.revoked_ns == 0) & (api_token.c.expires_ns > now_ns)


async def _count(conn: AsyncConnection, tenant: int, now_ns: int) -> int:
    query = sa.select(sa.func.count()).select_from(api_token).where((api_token.c.tenant == tenant) & _alive(now_ns))
    return int((await conn.execute(query)).scalar_one())
