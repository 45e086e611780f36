"""Keeps the table of links true: derived ones from what devices say, documented ones from the operator's own records."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import store
from inventory.identity import clean
from inventory.links import FoundLink, Unresolved
from inventory.spaces import derive_in_spaces
from inventory.subnets import SOURCES
from station.clock import NS_PER_S
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State, insert_new, records, upsert

KEEP_UNHEARD_S: Final = 30 * 86_400  # a cut fibre is silent too: only after this long a link is taken for removed
SEEN_EVERY_S: Final = 3600  # how often "still there" is written down
MANUAL: Final = "manual"
_PHYSICAL: Final = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")
UP: Final = 1  # ifOperStatus (RFC 2863)
IMPORT_MAX: Final = 100_000
Pair = tuple[int, int]
Row = dict[str, Any]


class LinkImportError(Exception):
    """Documented links that cannot be taken; the text names the row and the reason."""


async def refresh_links(state: State, scope: Scope, now_ns: int) -> bool:
    """Derive the links anew from all neighbour rows and write what differs; return whether the picture changed."""
    scope.require(Role.ENGINEER, "changing links")
    tables = (store.device, store.device_address, store.vrf_address, store.interface_address, store.entity, store.lldp_neighbour)

    async def read(conn: AsyncConnection) -> dict[str, list[Row]]:
        return {table.name: await _rows(conn, table, scope.tenant) for table in tables}

    rows = await state.collect(read)
    present = [row for row in rows["entity"] if row["kind"] == "interface" and row["gone_ns"] == 0]
    addresses = {(row.get("vrf", ""), row["address"]): row["device_no"] for row in (*rows["device_address"], *rows["vrf_address"])}
    tables_said = rows["device"], present, rows["lldp_neighbour"], rows["interface_address"]
    found, unresolved = await asyncio.to_thread(derive_in_spaces, addresses, *tables_said)
    async with state.write() as conn:
        changed = await _write_links(conn, scope.tenant, found, now_ns)
        dark = {_key(row) for row in present if row["oper_status"] != UP} - {end for one in found for end in (one.a, one.b)}
        return await _write_unresolved(conn, scope.tenant, unresolved, dark) or changed


async def import_links(state: State, scope: Scope, rows: Sequence[Mapping[str, str]], now_ns: int) -> int:
    """Take documented links: `a_device, a_interface, b_device, b_interface, duct`, by names; return how many were taken.

    All or none: LinkImportError names the first row that names nothing. A documented link keeps its duct and stays
    until it is removed by hand, whatever LLDP says.
    """
    scope.require(Role.ENGINEER, "importing links")
    if len(rows) > IMPORT_MAX:
        raise LinkImportError(f"More than {IMPORT_MAX} links; import them in parts.")
    async with state.write() as conn:
        ports = await _ports_by_name(conn, scope.tenant)
        found = [_documented(number, row, ports) for number, row in enumerate(rows, 1)]
        pairs = {(row["a_device_no"] << 16 | row["a_entity_no"], row["b_device_no"] << 16 | row["b_entity_no"]) for row in found}
        await _remove_crossed(conn, scope.tenant, {end for pair in pairs for end in pair}, pairs)
        common = {"tenant": scope.tenant, "sources": MANUAL, "confidence": 1.0, "first_seen_ns": now_ns, "last_seen_ns": now_ns}
        key = ("tenant", "a_device_no", "a_entity_no", "b_device_no", "b_entity_no")
        made = [{**row, **common, "id": new_id(now_ns)} for row in found]
        await upsert(conn, store.link, made, key, update=("sources", "confidence", "duct", "last_seen_ns"))
        await audit.record(conn, scope, "links.import", "links", now_ns=now_ns, after={"links": len(found)})
    return len(found)


def _documented(number: int, row: Mapping[str, str], ports: Mapping[tuple[str, str], Pair]) -> Row:
    ends = []
    for end in "ab":
        name = (row.get(f"{end}_device", ""), row.get(f"{end}_interface", ""))
        if name not in ports:
            raise LinkImportError(f"Row {number}: there is no interface {name[1]!r} at a device {name[0]!r}.")
        ends.append(ports[name])
    (a_device, a_entity), (b_device, b_entity) = sorted(ends)
    found = {"a_device_no": a_device, "a_entity_no": a_entity, "b_device_no": b_device, "b_entity_no": b_entity}
    return {**found, "duct": clean(row.get("duct", ""))}


async def _ports_by_name(conn: AsyncConnection, tenant: int) -> dict[tuple[str, str], Pair]:
    table = store.entity.join(store.device, store.device.c.no == store.entity.c.device_no)
    query = sa.select(store.device.c.name, store.entity.c.name, store.entity.c.device_no, store.entity.c.entity_no).select_from(table)
    query = query.where(store.entity.c.tenant == tenant, store.entity.c.kind == "interface")
    return {(device, name): (number, entity) for device, name, number, entity in await conn.execute(query)}


async def _write_links(conn: AsyncConnection, tenant: int, found: Sequence[FoundLink], now_ns: int) -> bool:
    known = {_pair(row): row for row in await _rows(conn, store.link, tenant)}
    named = {pair for pair, row in known.items() if not _is_hint(_sources(row))}
    named |= {(one.a, one.b) for one in found if not _is_hint(one.sources)}
    joined, busy = {_devices(pair) for pair in named}, {end for pair in named for end in pair}
    manual = {end for pair, row in known.items() if MANUAL in _sources(row) for end in pair}
    wanted = {(one.a, one.b): one for one in found if (one.a, one.b) in known or not {one.a, one.b} & manual}
    wanted = {pair: one for pair, one in wanted.items() if pair in named or not (_devices(pair) in joined or set(pair) & busy)}
    removed = await _remove_crossed(conn, tenant, {end for pair in wanted for end in pair}, set(wanted))
    outdone = {pair for pair in known if pair not in named and _devices(pair) in joined}
    old = [row["id"] for pair, row in known.items() if pair in outdone or (pair not in wanted and _is_over(row, now_ns))]
    await conn.execute(sa.delete(store.link).where(store.link.c.id.in_(old)))
    new = [_row(tenant, one, now_ns) for pair, one in wanted.items() if pair not in known]
    await insert_new(conn, store.link, new, ("tenant", "a_device_no", "a_entity_no", "b_device_no", "b_entity_no"))
    changed = False
    for pair, one in wanted.items():
        changed |= await _confirm(conn, known[pair], one, now_ns) if pair in known else True
    return changed or removed or bool(old)


def _sources(row: Row) -> list[str]:
    return list(filter(None, row["sources"].split(",")))


def _is_hint(sources: Sequence[str]) -> bool:
    """Whether nobody named himself: such a link stands only where the two devices have no other."""
    return all(source.partition(":")[0] in SOURCES for source in sources)


def _devices(pair: Pair) -> Pair:
    return pair[0] >> 16, pair[1] >> 16


def _is_over(row: Row, now_ns: int) -> bool:
    return MANUAL not in _sources(row) and now_ns - row["last_seen_ns"] > KEEP_UNHEARD_S * NS_PER_S


async def _confirm(conn: AsyncConnection, known: Row, one: FoundLink, now_ns: int) -> bool:
    """Write down that a known link was heard again; a change is what adds to its sources. One side falling silent is not news."""
    before = _sources(known)
    sources = sorted({*before, *one.sources}, key=lambda source: (source != MANUAL, source))
    better = len(sources) > len(before)
    if not better and now_ns - known["last_seen_ns"] < SEEN_EVERY_S * NS_PER_S:
        return False
    values = {"sources": ",".join(sources), "confidence": max(one.confidence, known["confidence"])} if better else {}
    await conn.execute(sa.update(store.link).where(store.link.c.id == known["id"]).values(last_seen_ns=now_ns, **values))
    return better


async def _remove_crossed(conn: AsyncConnection, tenant: int, ends: set[int], keep: set[Pair]) -> bool:
    """Remove links that hold a port which now is the end of another: a port has one cable."""
    crossed = [row["id"] for row in await _rows(conn, store.link, tenant) if (pair := _pair(row)) not in keep and set(pair) & ends]
    await conn.execute(sa.delete(store.link).where(store.link.c.id.in_(crossed)))
    return bool(crossed)


async def _write_unresolved(conn: AsyncConnection, tenant: int, found: Sequence[Unresolved], dark: set[int]) -> bool:
    """Make the rows say who is heard and not known. Who was heard on a port that is `dark` now is remembered: a cut takes his word."""
    table = store.unresolved_neighbour
    rows = {(row["device_no"], row["key"]): row for row in (_unresolved(tenant, one) for one in found)}
    known = {(row["device_no"], row["key"]): row for row in await _rows(conn, table, tenant)}
    silent = dark - {_key(row) for row in rows.values()}
    rows = {key: row for key, row in known.items() if _key(row) in silent} | rows
    if rows == known:
        return False
    await conn.execute(sa.delete(table).where(table.c.tenant == tenant))
    if rows:
        await conn.execute(sa.insert(table), list(rows.values()))
    return True


def _key(row: Row) -> int:
    key: int = row["device_no"] << 16 | row["entity_no"]
    return key


def _unresolved(tenant: int, one: Unresolved) -> Row:
    """The row of an end; a neighbour without a name is called by whatever else is known of him, a port by more than its number."""
    names = ("key", "remote_chassis_id", "remote_address")
    place = {"tenant": tenant, "device_no": one.local >> 16, "entity_no": one.local & 0xFFFF, "why": one.why}
    called = one.row["remote_name"] or one.row["remote_chassis_id"] or one.row["remote_address"]
    port, described = one.row["remote_port"], one.row["remote_port_descr"]
    port = described if described and _PHYSICAL.fullmatch(port) else port
    return place | {"remote_name": called, "remote_port": port} | {name: one.row[name] for name in names}


def _row(tenant: int, one: FoundLink, now_ns: int) -> Row:
    return {
        "tenant": tenant,
        "id": new_id(now_ns),
        "a_device_no": one.a >> 16,
        "a_entity_no": one.a & 0xFFFF,
        "b_device_no": one.b >> 16,
        "b_entity_no": one.b & 0xFFFF,
        "sources": ",".join(one.sources),
        "confidence": one.confidence,
        "duct": "",
        "first_seen_ns": now_ns,
        "last_seen_ns": now_ns,
    }


def _pair(row: Mapping[str, Any]) -> Pair:
    return row["a_device_no"] << 16 | row["a_entity_no"], row["b_device_no"] << 16 | row["b_entity_no"]


async def _rows(conn: AsyncConnection, table: sa.Table, tenant: int) -> list[Row]:
    return await records(conn, sa.select(table).where(table.c.tenant == tenant).order_by(*table.primary_key))
