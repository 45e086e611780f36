"""What clients add to the station's alarms and problems over TM Forum APIs: the tasks they ran, and what they linked.

A task is a document that is made once and stays. A link is a document under the id of what it is about: what a client
set of it, laid over what the station computes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.store import chunks
from station.ids import new_id
from station.scope import Scope
from station.state import upsert
from station.tmf.documents import Json, Kind, tell
from station.tmf.store import tmf_document

TASKS_MAX: Final = 10_000  # of a kind that are kept; the oldest go first
REFS_MAX: Final = 1_000
KEY: Final = ("tenant", "api", "kind", "id")


async def keep(conn: AsyncConnection, scope: Scope, kind: Kind, body: Json, now_ns: int) -> Json:
    """Store a task that is done and tell listeners that it was made and how it ended."""
    id_ = new_id(now_ns)
    row = {"tenant": scope.tenant, "api": kind.api, "kind": kind.name, "id": id_, "customer_id": "", "created_ns": now_ns}
    await conn.execute(sa.insert(tmf_document).values(**row, changed_ns=now_ns, body=json.dumps(body, separators=(",", ":"))))
    await _forget(conn, scope, kind)
    made = kind.shown(id_, body)
    await tell(conn, scope, kind, "Create", made, now_ns)
    await tell(conn, scope, kind, "StateChange", made, now_ns)
    return made


async def _forget(conn: AsyncConnection, scope: Scope, kind: Kind) -> None:
    c = tmf_document.c
    mine = (c.tenant == scope.tenant, c.api == kind.api, c.kind == kind.name)
    newest = sa.select(c.created_ns).where(*mine).order_by(c.created_ns.desc()).offset(TASKS_MAX).limit(1)
    beyond_ns = await conn.scalar(newest)
    if beyond_ns is not None:
        await conn.execute(sa.delete(tmf_document).where(*mine, c.created_ns <= beyond_ns))


class Links:
    """What clients set of things of one kind."""

    def __init__(self, api: str, kind: str) -> None:
        self._api, self._kind = api, kind

    async def of(self, conn: AsyncConnection, tenant: int, ids: Sequence[str]) -> dict[str, Json]:
        """By id, for those that have any."""
        c, found = tmf_document.c, {}
        for part in chunks(ids):
            mine = (c.tenant == tenant, c.api == self._api, c.kind == self._kind, c.id.in_(part))
            found.update({id_: dict(json.loads(body)) for id_, body in await conn.execute(sa.select(c.id, c.body).where(*mine))})
        return found

    async def put(self, conn: AsyncConnection, tenant: int, id_: str, said: Mapping[str, Any], now_ns: int) -> None:
        """Lay more over one; a value of None takes it away."""
        before = (await self.of(conn, tenant, [id_])).get(id_, {})
        after = {name: value for name, value in {**before, **said}.items() if value is not None}
        row = {"tenant": tenant, "api": self._api, "kind": self._kind, "id": id_, "customer_id": ""}
        row |= {"created_ns": now_ns, "changed_ns": now_ns, "body": json.dumps(after, separators=(",", ":"))}
        await upsert(conn, tmf_document, [row], KEY)

    async def join(self, conn: AsyncConnection, tenant: int, up: tuple[str, str], down: str, refs: Mapping[str, Json], now_ns: int) -> None:
        """Put `refs` (by id) below a parent: `up` (attribute of the children, id of the parent), `down` the parent's attribute."""
        parents, parent = up
        for id_ in refs:
            await self.put(conn, tenant, id_, {parents: [refs[id_] | {"id": parent, "href": _sibling(refs[id_], parent)}]}, now_ns)
        before = (await self.of(conn, tenant, [parent])).get(parent, {}).get(down, [])
        kept = [one for one in before if one["id"] not in refs]
        await self.put(conn, tenant, parent, {down: [*kept, *refs.values()][:REFS_MAX]}, now_ns)

    async def part(self, conn: AsyncConnection, tenant: int, up: tuple[str, str], down: str, ids: Sequence[str], now_ns: int) -> None:
        """Take things from below a parent."""
        parents, parent = up
        for id_ in ids:
            await self.put(conn, tenant, id_, {parents: []}, now_ns)
        before = (await self.of(conn, tenant, [parent])).get(parent, {}).get(down, [])
        await self.put(conn, tenant, parent, {down: [one for one in before if one["id"] not in ids]}, now_ns)


def _sibling(ref: Mapping[str, Any], id_: str) -> str:
    return f"{str(ref['href']).rpartition('/')[0]}/{id_}"
