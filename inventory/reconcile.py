"""One look at one device, made true in the inventory: the same facts a second time change nothing.

History is never lost: a device keeps its number when its address changes, an interface its number when it
is renumbered, and what disappears is marked, not removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_address
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.entities import I32_MAX, EntityChanges, plan
from inventory.facts import DeviceFacts
from inventory.identity import (
    DESCR_MAX,
    TEXT_MAX,
    by_engine_only,
    clean,
    identity_of,
    name_of,
    same_device,
    shares_hardware,
    strong_ids,
    usable_address,
)
from inventory.neighbours import store_neighbours
from inventory.places import Place, place_of
from inventory.roles import role_by_name
from inventory.settings import SiteRule
from inventory.store import device, device_address, entity, interface_address, site, vrf_address
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State, insert_new, records, rows_where, upsert

ADDRESSES_MAX: Final = 1024  # per device
ADDRESSES_ASKED_MAX: Final = 64  # of one device: under which of its addresses it may be known already
_INSERT: Final = sa.insert(device).returning(device.c.no)
_BOUNDED: Final = {"sys_object_id": 255, "sys_descr": DESCR_MAX, "vendor": 64, "model": 255, "profile": 64, "credential": 64}
_SIMULATED: Final = tuple(f"127.{n}." for n in range(64, 80))  # 127.64.0.0/12: the simulator's, where nothing real can stand


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Which device the facts were about, whether it is new, and whether the picture of the network changed."""

    device_no: int
    new: bool
    changed: bool


async def reconcile(state: State, scope: Scope, facts: DeviceFacts, now_ns: int, rules: Sequence[SiteRule] = ()) -> Reconciled:
    """Write what one look found, in one transaction. A new device is audited; what later looks change is the network's own doing."""
    scope.require(Role.ENGINEER, "changing the inventory")
    return await state.transact(lambda conn: reconcile_in(conn, scope, facts, now_ns, rules))


async def reconcile_in(conn: AsyncConnection, scope: Scope, facts: DeviceFacts, now_ns: int, rules: Sequence[SiteRule]) -> Reconciled:
    """`reconcile` inside the caller's transaction; who may is the caller's to ask."""
    site_id, moved = await _site(conn, scope.tenant, place_of(facts, rules))
    candidates = await _candidates(conn, scope.tenant, facts)
    known = same_device(candidates, facts)
    if known is not None and by_engine_only(known, facts) and not await _same_hardware(conn, scope.tenant, known["no"], facts):
        facts = replace(facts, engine_id="")
        known = same_device(await _candidates(conn, scope.tenant, facts), facts)
    if known is None:
        number = await _insert(conn, scope, facts, site_id, now_ns)
        changed = True
    else:
        number = known["no"]
        changed = await _update(conn, known, facts, site_id, now_ns)
    changed |= await _take_endpoint(conn, scope.tenant, number, facts, candidates)
    changed |= await _addresses(conn, scope.tenant, number, facts, new=known is None)
    changed |= await _subnets(conn, scope.tenant, number, facts, new=known is None)
    changed |= await _entities(conn, scope.tenant, number, facts, now_ns, new=known is None)
    if _told_neighbours(facts):
        changed |= await store_neighbours(conn, scope.tenant, number, facts.neighbours, new=known is None)
    return Reconciled(number, known is None, changed or moved)


def _told_neighbours(facts: DeviceFacts) -> bool:
    """Half an answer makes no neighbour disappear."""
    return bool(facts.neighbours) or not facts.problems


async def _candidates(conn: AsyncConnection, tenant: int, facts: DeviceFacts) -> Sequence[Mapping[str, Any]]:
    """The devices of the same address space that the facts could be about: those that share an identifier, or the address.

    The tenant stands beside each, so that each is found by its own index.
    """
    ids = strong_ids(facts)
    asked = ids | {"identity": _identity(facts.vrf, ids, name_of(facts), facts.address), "management_address": facts.address}
    own = [usable for text in facts.addresses[:ADDRESSES_ASKED_MAX] if (usable := usable_address(text))]
    return await records(conn, _with_any(*asked), asked | {"tenant": tenant, "vrf": facts.vrf, "own": own, "name": name_of(facts)})


@cache
def _with_any(*columns: str) -> sa.Select[Any]:
    mine = (device.c.tenant == sa.bindparam("tenant")) & (device.c.vrf == sa.bindparam("vrf"))
    possible = [mine & (device.c[column] == sa.bindparam(column)) for column in columns]
    named = device.c.management_address.in_(sa.bindparam("own", expanding=True)) & (device.c.name == sa.bindparam("name"))
    return sa.select(device).where(sa.or_(*possible, mine & named)).order_by(device.c.no)


async def _same_hardware(conn: AsyncConnection, tenant: int, number: int, facts: DeviceFacts) -> bool:
    macs = sa.select(entity.c.mac).where(entity.c.tenant == tenant, entity.c.device_no == number, entity.c.mac != "")
    known = await _known_addresses(conn, _held(tenant, facts.vrf), number)
    return shares_hardware(facts, (await conn.execute(macs)).scalars().all(), known)


def _identity(vrf: str, known: Mapping[str, Any], name: str, address: str) -> str:
    """The same device seen in two address spaces is two: nothing that both are asked tells that they are one and not copies."""
    found = identity_of(known, name, address)
    return f"{vrf}/{found}"[:TEXT_MAX] if vrf else found


def _told(facts: DeviceFacts) -> dict[str, Any]:
    """The columns that a look tells; an empty answer tells nothing, so what was known stays."""
    told: dict[str, Any] = {name: clean(getattr(facts, name), limit) for name, limit in _BOUNDED.items()} | strong_ids(facts)
    told |= {"name": clean(facts.sys_name), "management_address": facts.address, "snmp_port": facts.snmp_port}
    return {name: value for name, value in told.items() if value}


async def _insert(conn: AsyncConnection, scope: Scope, facts: DeviceFacts, site_id: str | None, now_ns: int) -> int:
    told = {"name": name_of(facts)} | _told(facts)
    row = {
        "tenant": scope.tenant,
        "id": new_id(now_ns),
        "vrf": facts.vrf,
        "identity": _identity(facts.vrf, told, told["name"], facts.address),
        "site_id": site_id,
        "role": role_by_name(told["name"]),
        "simulated": facts.address.startswith(_SIMULATED),
        "status": "up",
        "last_seen_ns": now_ns,
        "discovered_ns": now_ns,
        **told,
    }
    number = (await conn.execute(_INSERT, row)).scalar_one()
    after = {"name": told["name"], "address": facts.address, "identity": row["identity"]}
    await audit.record(conn, scope, "device.add", f"device:{row['id']}", now_ns=now_ns, after=after)
    return int(number)


async def _update(conn: AsyncConnection, known: Mapping[str, Any], facts: DeviceFacts, site_id: str | None, now_ns: int) -> bool:
    new = {**known, **_told(facts)}
    if _keeps_address(known, facts):
        new |= {"management_address": known["management_address"], "snmp_port": known["snmp_port"]}
    new["identity"] = _identity(known["vrf"], new, new["name"], new["management_address"])
    new["role"] = known["role"] or role_by_name(new["name"])
    new["site_id"] = site_id or known["site_id"]
    different = {name: value for name, value in new.items() if value != known[name]}
    values = different | {"status": "up", "last_seen_ns": max(now_ns, known["last_seen_ns"])}
    await conn.execute(sa.update(device).where(device.c.no == known["no"]).values(**values))
    return bool(different) or known["status"] != "up"


def _keeps_address(known: Mapping[str, Any], facts: DeviceFacts) -> bool:
    """Whether a device that answers at several addresses goes on being asked at the one it has.

    An address on a loopback interface is better than one of a link, which goes with its cable; of two alike the
    one in use stays as long as it answers.
    """
    before = known["management_address"]
    if before == facts.address or before not in facts.addresses or known["status"] != "up":
        return False
    return before in facts.lasting or facts.address not in facts.lasting


async def _take_endpoint(
    conn: AsyncConnection, tenant: int, number: int, facts: DeviceFacts, candidates: Sequence[Mapping[str, Any]]
) -> bool:
    """A device that answers at an address and port is the only one polled there: whoever was, has moved to a place unknown."""
    here = (facts.address, facts.snmp_port)
    moved = [row["no"] for row in candidates if (row["management_address"], row["snmp_port"]) == here and row["no"] != number]
    if moved:
        others = (device.c.tenant == tenant) & device.c.no.in_(moved)
        await conn.execute(sa.update(device).where(others).values(management_address="", status="unknown"))
    return bool(moved)


async def _site(conn: AsyncConnection, tenant: int, place: Place | None) -> tuple[str | None, bool]:
    """The id of the place's site, made when new; and whether the site changed."""
    if place is None:
        return None, False
    mine = {"tenant": tenant, "name": place.site}
    told = {"region": place.region, "latitude": place.latitude, "longitude": place.longitude}
    known = await records(conn, rows_where(site, *mine), mine)
    if not known:
        await insert_new(conn, site, [{"id": new_id(), **mine, **told}], ("tenant", "name"))
        (made,) = await records(conn, rows_where(site, *mine), mine)
        return str(made["id"]), True
    different = {name: value for name, value in told.items() if value not in {None, "", known[0][name]}}
    if different:
        await conn.execute(sa.update(site).where(site.c.id == known[0]["id"]).values(**different))
    return str(known[0]["id"]), bool(different)


async def _addresses(conn: AsyncConnection, tenant: int, number: int, facts: DeviceFacts, *, new: bool) -> bool:
    """The device's addresses: its own to answer at for certain, the others unless another device has them."""
    told = {usable for text in facts.addresses[:ADDRESSES_MAX] if (usable := usable_address(text))}
    main = usable_address(facts.address) or facts.address
    table, space = held = _held(tenant, facts.vrf)
    known = set() if new else await _known_addresses(conn, held, number)
    stale = known - told - {main} if told and not facts.problems else set()
    if not stale and told | {main} <= known:
        return False
    if stale:
        await conn.execute(sa.delete(table).filter_by(**space).where(table.c.address.in_(stale)))
    key = (*space, "address")
    await upsert(conn, table, [space | {"address": main, "device_no": number}], key)
    await insert_new(conn, table, [space | {"address": one, "device_no": number} for one in sorted(told - known)], key)
    return new or await _known_addresses(conn, held, number) != known


def _held(tenant: int, vrf: str) -> tuple[sa.Table, dict[str, Any]]:
    """Where the addresses of an address space stand, and what names the space there."""
    return (vrf_address, {"tenant": tenant, "vrf": vrf}) if vrf else (device_address, {"tenant": tenant})


async def _known_addresses(conn: AsyncConnection, held: tuple[sa.Table, dict[str, Any]], number: int) -> set[str]:
    table, space = held
    mine = space | {"device_no": number}
    return {row["address"] for row in await records(conn, rows_where(table, *mine), mine)}


async def _subnets(conn: AsyncConnection, tenant: int, number: int, facts: DeviceFacts, *, new: bool) -> bool:
    """On which interface each address is, as the device says now; half an answer takes nothing away."""
    told: dict[str, dict[str, Any]] = {}
    for one in facts.subnets[:ADDRESSES_MAX]:
        address = usable_address(one.address)
        if address and 0 < one.if_index <= I32_MAX and -1 <= one.prefix_length <= ip_address(address).max_prefixlen:
            told[address] = _address(tenant, number, address) | {"if_index": one.if_index, "prefix_length": one.prefix_length}
    mine = {"tenant": tenant, "device_no": number}
    rows = [] if new else await records(conn, rows_where(interface_address, *mine), mine)
    known = {row["address"]: row for row in rows}
    if told == known or (facts.problems and not told):
        return False
    if known:
        await conn.execute(sa.delete(interface_address).filter_by(**mine))
    if told:
        await conn.execute(sa.insert(interface_address), list(told.values()))
    return True


def _address(tenant: int, number: int, address: str) -> dict[str, Any]:
    return {"tenant": tenant, "address": address, "device_no": number}


async def _entities(conn: AsyncConnection, tenant: int, number: int, facts: DeviceFacts, now_ns: int, *, new: bool) -> bool:
    mine = {"tenant": tenant, "device_no": number}
    existing = [] if new else await records(conn, rows_where(entity, *mine), mine)
    changes: EntityChanges = plan(facts, existing, device_no=number, tenant=tenant, now_ns=now_ns)
    if changes.new:
        await conn.execute(sa.insert(entity), changes.new)
    await upsert(conn, entity, changes.changed, ("tenant", "device_no", "entity_no"))
    return bool(changes.new or changes.changed)
