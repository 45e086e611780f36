"""Resources of a TM Forum API that clients make themselves: kept as documents, changed by merge patch, told to listeners.

A `Kind` says what a resource may hold and what its domain makes of it. Resources that the domain computes stand beside
them in the same lists and are not changed by clients. What is written, its event and its audit record are one transaction.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from station.clock import Clock
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State
from station.tmf.hub import publish
from station.tmf.query import Query, page
from station.tmf.route import Id, href
from station.tmf.store import tmf_document
from station.web import Caller, ProblemError, not_found

Json = dict[str, Any]
Sent = Annotated[Json, Body()]
DOCUMENTS_MAX: Final = 10_000  # of a kind
BODY_MAX: Final = 256 << 10  # bytes of one
FIXED: Final = ("id", "href")
ALWAYS: Final[Mapping[str, type]] = {"@type": str, "@baseType": str, "@schemaLocation": str}


async def _none(_conn: AsyncConnection, _scope: Scope) -> Sequence[Json]:
    return ()


def _as_it_is(body: Json, _before: Json | None, _now_ns: int) -> Json:
    return body


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: `name` in paths, `attributes` by JSON type, `required` on creation.

    `settle(body, before, now_ns)` is the domain's: it checks, fills in and returns what is kept, or raises ProblemError;
    `before` is None for a new one. `computed` are the domain's own resources, whole. `parts`: whose customer it is about.
    `states`: an attribute whose change is an event of its own (its event's name, such as "StateChange").
    """

    api: str
    base: str
    name: str
    attributes: Mapping[str, type | tuple[type, ...]]
    required: tuple[str, ...] = ()
    settle: Callable[[Json, Json | None, int], Json] = _as_it_is
    computed: Callable[[AsyncConnection, Scope], Awaitable[Sequence[Json]]] = _none
    customer_of: Callable[[Json], str] = field(default=lambda _: "")
    states: Mapping[str, str] = field(default_factory=dict)
    reads: Role = Role.VIEWER
    writes: Role = Role.ENGINEER

    @property
    def type_(self) -> str:
        return self.name[0].upper() + self.name[1:]

    def checked(self, sent: Json) -> Json:
        """What was sent without identity, every known attribute of its JSON type; ProblemError 400 names what is not."""
        known = {**ALWAYS, **self.attributes}
        if wrong := [name for name, value in sent.items() if name in known and not _is(value, known[name])]:
            raise ProblemError(400, "Not valid", f"{'; '.join(f'{name} is no {_named(known[name])}' for name in wrong)}.")
        if unknown := [name for name in sent if name not in known and name not in FIXED and "@schemaLocation" not in sent]:
            says = f"{self.type_} has no {', '.join(unknown)}; a schema of your own is named by @schemaLocation."
            raise ProblemError(400, "Not known", says)
        return {name: value for name, value in sent.items() if name not in FIXED}

    def shown(self, id_: str, body: Json) -> Json:
        """The whole resource."""
        return {"@type": self.type_} | body | {"id": id_, "href": href(self.base, self.name, id_)}


def add_documents(routes: APIRouter, state: State, clock: Clock, kind: Kind) -> None:
    """GET, POST, PATCH and DELETE of a kind on an API's router."""
    add_reads(routes, state, kind)
    path = f"/{kind.name}"

    @routes.post(path, status_code=201)
    async def create(caller: Caller, sent: Sent, response: Response) -> Json:
        caller.require(kind.writes, f"creating a {kind.name}")
        body = kind.checked(sent)
        made = await keep(state, caller, kind, body, clock.now_ns())
        response.headers["Location"] = made["href"]
        return made

    @routes.patch(path + "/{id}")
    async def change(caller: Caller, id_: Id, sent: Sent) -> Json:
        caller.require(kind.writes, f"changing a {kind.name}")
        if fixed := [name for name in FIXED if name in sent]:
            raise ProblemError(400, "Not changeable", f"{', '.join(fixed)} of a resource never changes.")
        return await _change(state, caller, kind, id_, kind.checked(sent), clock.now_ns())

    @routes.delete(path + "/{id}", status_code=204)
    async def remove(caller: Caller, id_: Id) -> None:
        caller.require(kind.writes, f"removing a {kind.name}")
        await discard(state, caller, kind, id_, clock.now_ns())


def add_reads(routes: APIRouter, state: State, kind: Kind) -> None:
    """GET of a kind alone: its list and one."""
    path = f"/{kind.name}"

    @routes.get(path)
    async def listed(request: Request, caller: Caller) -> JSONResponse:
        caller.require(kind.reads, f"reading a {kind.name}")
        async with state.read() as conn:
            found = [*await kind.computed(conn, caller), *await documents(conn, caller, kind)]
        return page(Query.of(request), found)

    @routes.get(path + "/{id}")
    async def one(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        caller.require(kind.reads, f"reading a {kind.name}")
        async with state.read() as conn:
            return JSONResponse(Query.of(request).shown(await document(conn, caller, kind, id_)))


async def documents(conn: AsyncConnection, scope: Scope, kind: Kind) -> list[Json]:
    """Every stored resource of a kind that the scope sees, in the order they were made."""
    c = tmf_document.c
    rows = await conn.execute(sa.select(c.id, c.body).where(*_mine(scope, kind)).order_by(c.created_ns, c.id))
    return [kind.shown(id_, json.loads(body)) for id_, body in rows]


async def document(conn: AsyncConnection, scope: Scope, kind: Kind, id_: str) -> Json:
    """One resource, stored or computed; ProblemError 404."""
    body = await _body(conn, scope, kind, id_)
    if body is not None:
        return kind.shown(id_, body)
    found = [one for one in await kind.computed(conn, scope) if one["id"] == id_]
    if not found:
        raise not_found(kind.name)
    return found[0]


async def write(conn: AsyncConnection, scope: Scope, kind: Kind, id_: str, before: Json, after: Json, now_ns: int) -> None:
    """Replace a stored body inside the caller's transaction and tell listeners what changed."""
    c = tmf_document.c
    stored = {"body": _encoded(after), "changed_ns": now_ns, "customer_id": kind.customer_of(after)}
    await conn.execute(sa.update(tmf_document).where(*_mine(scope, kind), c.id == id_).values(**stored))
    moved = [event for name, event in kind.states.items() if before.get(name) != after.get(name)]
    plain = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - kind.states.keys()
    for event in [*moved, *(["AttributeValueChange"] if plain else [])]:
        await tell(conn, scope, kind, event, kind.shown(id_, after), now_ns)


async def tell(conn: AsyncConnection, scope: Scope, kind: Kind, event: str, resource: Json, now_ns: int) -> None:
    """An event about a resource, such as "Create"."""
    made = (f"{kind.type_}{event}Event", kind.name, kind.customer_of(resource), resource)
    await publish(conn, scope.tenant, kind.api, [made], now_ns)


async def keep(state: State, scope: Scope, kind: Kind, body: Json, now_ns: int) -> Json:
    """Store a new resource and return it whole."""
    id_ = new_id(now_ns)
    kept = _settled(kind, body, None, now_ns)
    _within(scope, kind.customer_of(kept))
    row = {"tenant": scope.tenant, "api": kind.api, "kind": kind.name, "id": id_, "customer_id": kind.customer_of(kept)}
    async with state.write() as conn:
        count = sa.select(sa.func.count()).select_from(tmf_document).where(*_mine(scope, kind))
        if (await conn.execute(count)).scalar_one() >= DOCUMENTS_MAX:
            raise ProblemError(409, "Too many", f"There are {DOCUMENTS_MAX} resources of this kind: remove some first.")
        await conn.execute(sa.insert(tmf_document).values(**row, body=_encoded(kept), created_ns=now_ns, changed_ns=now_ns))
        made = kind.shown(id_, kept)
        await tell(conn, scope, kind, "Create", made, now_ns)
        await audit.record(conn, scope, f"{kind.name}.create", f"{kind.name}:{id_}", now_ns=now_ns, after=made)
    return made


async def _change(state: State, scope: Scope, kind: Kind, id_: str, patch: Json, now_ns: int) -> Json:
    async with state.write() as conn:
        before = await _stored(conn, scope, kind, id_)
        after = _settled(kind, merged(before, patch), before, now_ns)
        _within(scope, kind.customer_of(after))
        if after != before:
            await write(conn, scope, kind, id_, before, after, now_ns)
            await audit.record(conn, scope, f"{kind.name}.change", f"{kind.name}:{id_}", now_ns=now_ns, before=before, after=after)
    return kind.shown(id_, after)


async def discard(state: State, scope: Scope, kind: Kind, id_: str, now_ns: int) -> None:
    """Take a stored resource away; ProblemError 404, or 409 for one that the station computes."""
    async with state.write() as conn:
        before = await _stored(conn, scope, kind, id_)
        await conn.execute(sa.delete(tmf_document).where(*_mine(scope, kind), tmf_document.c.id == id_))
        await tell(conn, scope, kind, "Delete", kind.shown(id_, before), now_ns)
        await audit.record(conn, scope, f"{kind.name}.remove", f"{kind.name}:{id_}", now_ns=now_ns, before=before)


def _settled(kind: Kind, body: Json, before: Json | None, now_ns: int) -> Json:
    """What is kept of a body that has all it needs; ProblemError 400."""
    if missing := [name for name in kind.required if body.get(name) in (None, "", [], {})]:
        raise ProblemError(400, "Not complete", f"{kind.type_} needs {', '.join(missing)}.")
    return kind.settle(body, before, now_ns)


async def _stored(conn: AsyncConnection, scope: Scope, kind: Kind, id_: str) -> Json:
    """The body that a client may change; ProblemError 404, or 409 for one that the station computes."""
    body = await _body(conn, scope, kind, id_)
    if body is None:
        await document(conn, scope, kind, id_)
        raise ProblemError(409, "Not changeable here", f"This {kind.name} is the station's own: its source is changed, not its view.")
    return body


async def _body(conn: AsyncConnection, scope: Scope, kind: Kind, id_: str) -> Json | None:
    found = (await conn.execute(sa.select(tmf_document.c.body).where(*_mine(scope, kind), tmf_document.c.id == id_))).scalar()
    return None if found is None else dict(json.loads(found))


def _mine(scope: Scope, kind: Kind) -> list[sa.ColumnElement[bool]]:
    c = tmf_document.c
    seen = [c.customer_id.in_(scope.customers)] if scope.customers else []
    return [c.tenant == scope.tenant, c.api == kind.api, c.kind == kind.name, *seen]


def _within(scope: Scope, customer_id: str) -> None:
    if scope.customers and customer_id not in scope.customers:
        raise ProblemError(403, "Not allowed", "That is about a customer outside what you may see.")


def _is(value: Any, wanted: type | tuple[type, ...]) -> bool:
    if value is None:
        return True  # a merge patch removes by null
    return isinstance(value, wanted) and not (isinstance(value, bool) and wanted in (int, float, (int, float)))


def _named(wanted: type | tuple[type, ...]) -> str:
    names = {str: "text", int: "whole number", float: "number", list: "array", dict: "object", bool: "boolean"}
    return names.get(wanted, "number") if isinstance(wanted, type) else "number"


def merged(before: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = merged(kept.get(name), value)
    return kept


def _encoded(body: Json) -> str:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > BODY_MAX:
        raise ProblemError(413, "Too large", f"A resource has at most {BODY_MAX} bytes.")
    return text
