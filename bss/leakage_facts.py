"""What the books say of each service in a month, as `bss.leakage` reads it: a few statements over all services."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import periods, reconcile
from billing_bridge.guiding import FOREVER_NS, current_records, latest_guiding
from billing_bridge.periods import Period
from billing_bridge.points import metering_points
from billing_bridge.portions import Span
from billing_bridge.store import usage_event, usage_rated, usage_session
from billing_bridge.usage import MeterKind, UsageState
from bss import assurance
from bss.dunning.store import service_restriction
from bss.leakage import Facts, Month, Rated, Terms
from bss.store import bill_split, billing_profile, rated_usage, service_plan
from bss.tariffs import TariffError, Tariffs, in_force
from inventory.store import entity, service, service_binding
from station.scope import Role, Scope

Rows = dict[str, list[Any]]


async def month_of(conn: AsyncConnection, scope: Scope, tariffs: Tariffs, period: Period, zone: Any) -> Month:
    """Everything of a calendar month."""
    scope.require(Role.BILLING, "revenue assurance")
    tenant, before = scope.tenant, _before(period, zone)
    services = await _services(conn, tenant)
    names = await _tariffs_of(conn, tenant, services, period, zone)
    used = await _used(conn, tenant, period, services)
    earlier = await _octets_before(conn, tenant, before)
    payers, rated = await _payers(conn, tenant, services), await _rated(conn, tenant, period)
    ports, silent = await _ports(conn, tenant, period, services)
    events, places = await _events(conn, tenant, period), await _places(conn, tenant, period, services)
    compared = await reconcile.reconciled(conn, scope, Span(period.start_ns, period.end_ns))
    ppm = {row["id"]: row["difference_ppm"] for row in compared if row["verdict"] == "differ"}
    facts = [
        Facts(
            id=id_, number=row["number"], customer_id=row["customer_id"], tariffs=frozenset(names[id_]), active=_active(row, period),
            whole_month=_whole(row, period) and len(names[id_]) == 1, payers=payers.get(id_, frozenset()), rated=rated.get(id_, ()),
            ports=frozenset(ports.get(id_, ())), silent_ports=frozenset(silent.get(id_, ())), before_octets=earlier.get(id_, 0),
            events=events.get(id_, 0), meters_ppm=ppm.get(id_, 0), places=places.get(id_, 0), **used.get(id_, {}),
        )
        for id_, row in services.items()
    ]  # fmt: skip
    wanted = {name for each in names.values() for name in each} | {one.tariff for each in rated.values() for one in each}
    return Month(facts, _terms(tariffs, wanted, period, zone), await assurance.closed(conn, scope, period))


def _before(period: Period, zone: Any) -> Period:
    last = periods.date_at(period.start_ns, zone).replace(day=1) - timedelta(days=1)
    return periods.month(f"{last:%Y-%m}", zone)


def _active(row: Mapping[str, Any], period: Period) -> bool:
    return bool(row["active_from_ns"] < period.end_ns and (row["active_to_ns"] or FOREVER_NS) > period.start_ns)


def _whole(row: Mapping[str, Any], period: Period) -> bool:
    return bool(row["active_from_ns"] <= period.start_ns and (row["active_to_ns"] or FOREVER_NS) >= period.end_ns)


def _terms(tariffs: Tariffs, names: set[str], period: Period, zone: Any) -> dict[str, Terms]:
    """What each tariff that is in force on the month's last day charges."""
    on, found = periods.date_at(period.end_ns - 1, zone), dict[str, Terms]()
    for name in sorted(names):
        try:
            version = in_force(tariffs.versions(name), name, on)
        except TariffError:
            continue
        charges = list(enumerate(version.priced, start=1))
        fees = frozenset(f"{place}.flat" for place, (price, _) in charges if price.kind == "flat")
        metered = frozenset(str(place) for place, (price, terms) in charges if price.meter_of(terms))
        found[name] = Terms(version.effective.isoformat(), fees, metered)
    return found


async def _services(conn: AsyncConnection, tenant: int) -> dict[str, Mapping[str, Any]]:
    rows = await conn.execute(sa.select(service).where(service.c.tenant == tenant).order_by(service.c.number))
    return {row["id"]: dict(row) for row in rows.mappings()}


async def _tariffs_of(
    conn: AsyncConnection, tenant: int, services: Mapping[str, Mapping[str, Any]], period: Period, zone: Any
) -> dict[str, set[str]]:
    """Every tariff that a service had in the month."""
    found = {id_: {row["tariff"]} - {""} for id_, row in services.items()}
    c, first = service_plan.c, periods.date_at(period.start_ns, zone).isoformat()
    for row in await conn.execute(sa.select(c.service_id, c.tariff, c.was).where(c.tenant == tenant, c.day > first)):
        found.setdefault(row.service_id, set()).update({row.tariff, row.was} - {""})
    return found


async def _payers(conn: AsyncConnection, tenant: int, services: Mapping[str, Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Who else may be billed for a service: its customer's payer, and those who share it."""
    c, s = billing_profile.c, bill_split.c
    payer = {row.customer_id: row.payer_id for row in await conn.execute(sa.select(c.customer_id, c.payer_id).where(c.tenant == tenant))}
    found = {id_: {payer.get(row["customer_id"], "")} for id_, row in services.items()}
    for row in await conn.execute(sa.select(s.service_id, s.payer_id).where(s.tenant == tenant)):
        found.setdefault(row.service_id, set()).add(row.payer_id)
    return {id_: frozenset(names - {""}) for id_, names in found.items()}


async def _rated(conn: AsyncConnection, tenant: int, period: Period) -> dict[str, list[Rated]]:
    """The last rating of each charge."""
    c = rated_usage.c
    columns = (c.service_id, c.charge, c.customer_id, c.tariff, c.effective, c.amount_minor, c.currency)
    latest: dict[tuple[str, str, str], Any] = {}
    for row in await conn.execute(sa.select(*columns).where(c.tenant == tenant, c.period == period.name).order_by(c.rating_rev)):
        latest[row.service_id, row.charge, row.customer_id] = row
    found: dict[str, list[Rated]] = {}
    for (service_id, *_), row in latest.items():
        found.setdefault(service_id, []).append(Rated(*row[1:]))
    return found


async def _used(conn: AsyncConnection, tenant: int, period: Period, services: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Octets and portions of each service by what became of them."""
    records = await current_records(conn, tenant, period.start_ns, period.end_ns)
    guided = await latest_guiding(conn, tenant, records)
    progress = await _progress(conn, tenant, period)
    suspended = await _suspended(conn, tenant)
    holders = await _holders(conn, tenant, period, services)
    found: dict[str, dict[str, Any]] = {}
    claimed: dict[tuple[str, int], set[str]] = {}
    for record in records:
        for row in guided.get(record["id"], ()):
            volume = (row["in_octets"] + row["out_octets"]) * (record["meter"] == MeterKind.VOLUME)
            if row["state"] == UsageState.RECYCLED:
                _suspense(found, holders.get(record["metering_point"], ()), row, volume, services)
                continue
            of = found.setdefault(row["service_id"], {})
            _add(of, "guided_octets", volume)
            if 0 < suspended.get(row["service_id"], 0) <= row["from_ns"]:
                _add(of, "after_suspension_octets", volume)
            _count(of, progress.get((row["record_id"], row["guide_rev"], row["portion"])))
            claimed.setdefault((row["record_id"], row["portion"]), set()).add(row["service_id"])
    await _twice(conn, tenant, period, claimed, found)
    return found


def _add(of: dict[str, Any], name: str, n: int) -> None:
    of[name] = of.get(name, 0) + n


def _count(of: dict[str, Any], state: str | None) -> None:
    if state is None:
        _add(of, "waiting", 1)
    elif state == "zero_rated":
        _add(of, "zero_rated", 1)


def _suspense(
    found: dict[str, dict[str, Any]], holders: Sequence[tuple[str, int]], row: Mapping[str, Any], volume: int, services: Mapping[str, Any]
) -> None:
    """Usage that nobody is charged for, by the service that holds or last held its port."""
    for service_id, ended_ns in holders:
        of = found.setdefault(service_id, {})
        if ended_ns <= row["from_ns"]:
            _add(of, "after_end_octets", volume)
        else:
            _add(of, "recycled_octets", volume)
            of["recycled_why"] = row["reason"]


async def _progress(conn: AsyncConnection, tenant: int, period: Period) -> dict[tuple[str, int, int], str]:
    c = usage_rated.c
    where = (c.tenant == tenant, c.start_ns >= period.start_ns, c.start_ns < period.end_ns)
    rows = await conn.execute(sa.select(c.record_id, c.guide_rev, c.portion, c.state).where(*where).order_by(c.seq))
    found: dict[tuple[str, int, int], str] = {}
    for record_id, guide_rev, portion, state in rows:
        key = (record_id, guide_rev, portion)
        found[key] = state if found.get(key, "zero_rated") == "zero_rated" else found[key]
    return found


async def _twice(
    conn: AsyncConnection, tenant: int, period: Period, claimed: Mapping[tuple[str, int], set[str]], found: dict[str, dict[str, Any]]
) -> None:
    """Portions that were rated for more than one service."""
    c, r = usage_rated.c, rated_usage.c
    joined = sa.and_(r.tenant == c.tenant, r.id == c.rated_id)
    where = (c.tenant == tenant, c.start_ns >= period.start_ns, c.start_ns < period.end_ns, r.amount_minor != 0)
    owners: dict[tuple[str, int], set[str]] = {}
    query = sa.select(c.record_id, c.portion, r.service_id).join(rated_usage, joined).where(*where)
    for record_id, portion, service_id in await conn.execute(query):
        owners.setdefault((record_id, portion), set()).add(service_id)
    for key, several in owners.items():
        right = claimed.get(key, set())
        for wrong in several - right if len(several) > 1 else ():
            of = found.setdefault(next(iter(right), wrong), {})
            of["twice"] = tuple(sorted({*of.get("twice", ()), wrong}))


async def _suspended(conn: AsyncConnection, tenant: int) -> dict[str, int]:
    r = service_restriction.c
    rows = await conn.execute(sa.select(r.service_id, r.since_ns).where(r.tenant == tenant, r.act == "suspend"))
    return {row.service_id: row.since_ns for row in rows}


async def _holders(
    conn: AsyncConnection, tenant: int, period: Period, services: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[tuple[str, int]]]:
    """(service, when it ended) that holds or last held each port before the month's end; the last one only."""
    b, e = service_binding.c, entity.c
    joined = sa.and_(e.tenant == b.tenant, e.device_no == b.device_no, e.entity_no == b.entity_no)
    query = sa.select(e.id, b.service_id, b.valid_to_ns).join(entity, joined).where(b.tenant == tenant, b.role == "access")
    found: dict[str, list[tuple[str, int]]] = {}
    for port, service_id, to_ns in await conn.execute(query.where(b.valid_from_ns < period.end_ns).order_by(e.id, b.valid_from_ns)):
        ends = [ns for ns in (to_ns, services[service_id]["active_to_ns"]) if ns] if service_id in services else []
        found[port] = [(service_id, min(ends, default=FOREVER_NS))]
    return found


async def _octets_before(conn: AsyncConnection, tenant: int, period: Period) -> dict[str, int]:
    records = [one for one in await current_records(conn, tenant, period.start_ns, period.end_ns) if one["meter"] == MeterKind.VOLUME]
    found: dict[str, int] = {}
    for rows in (await latest_guiding(conn, tenant, records)).values():
        for row in rows:
            found[row["service_id"]] = found.get(row["service_id"], 0) + row["in_octets"] + row["out_octets"]
    return found


async def _ports(
    conn: AsyncConnection, tenant: int, period: Period, services: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The ports of each service in the month, and those that brought no record at all."""
    heard = {record["metering_point"] for record in await current_records(conn, tenant, period.start_ns, period.end_ns)}
    known = {point.id for point in await metering_points(conn, tenant)}
    ports: dict[str, set[str]] = {}
    b, e = service_binding.c, entity.c
    joined = sa.and_(e.tenant == b.tenant, e.device_no == b.device_no, e.entity_no == b.entity_no)
    until = sa.or_(b.valid_to_ns == 0, b.valid_to_ns > period.start_ns)
    during = (b.tenant == tenant, b.role == "access", b.valid_from_ns < period.end_ns, until)
    for port, service_id in await conn.execute(sa.select(e.id, b.service_id).join(entity, joined).where(*during)):
        ports.setdefault(service_id, set()).add(port)
    silent = {id_: held & known - heard for id_, held in ports.items() if held & known - heard and id_ in services}
    return ports, silent


async def _events(conn: AsyncConnection, tenant: int, period: Period) -> dict[str, int]:
    c = usage_event.c
    where = (c.tenant == tenant, c.start_ns >= period.start_ns, c.start_ns < period.end_ns, c.service_id != "")
    rows = await conn.execute(sa.select(c.service_id, sa.func.count()).where(*where).group_by(c.service_id))
    return {service_id: int(n) for service_id, n in rows}


async def _places(conn: AsyncConnection, tenant: int, period: Period, services: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """The most access servers at which a service had sessions at one instant."""
    c, by_name = usage_session.c, {row["number"]: id_ for id_, row in services.items()}
    where = (c.tenant == tenant, c.last_ns >= period.start_ns, c.start_ns < period.end_ns)
    sessions: dict[str, list[tuple[int, int, str]]] = {}
    for row in await conn.execute(sa.select(c.service, c.nas, c.start_ns, c.last_ns).where(*where)):
        if id_ := by_name.get(row.service, row.service if row.service in services else ""):
            sessions.setdefault(id_, []).append((row.start_ns, row.last_ns, row.nas))
    return {id_: _at_once(spans) for id_, spans in sessions.items()}


def _at_once(spans: Sequence[tuple[int, int, str]]) -> int:
    ends = [(end, -1, nas) for start, end, nas in spans if end > start]
    steps = sorted(ends + [(start, 1, nas) for start, end, nas in spans if end > start])
    open_: dict[str, int] = {}
    most = 0
    for _, step, nas in steps:
        open_[nas] = open_.get(nas, 0) + step
        most = max(most, sum(n > 0 for n in open_.values()))
    return most
