"""Parties as a station has them: its routes over the customers of the inventory."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter

from bss import tmf677, tmf_records
from bss.parties import api
from bss.parties.customers import Customers
from bss.parties.view import View
from fault.service import FaultService
from fault.views import alarm_json
from perf.sla.levels import Levels
from perf.sla.views import level_json
from station.clock import Clock
from station.scope import Scope
from station.security.targets import Guard

ALARMS_MAX = 50  # of one customer
Json = dict[str, Any]


def routers(customers: Customers, zone: ZoneInfo, guard: Guard, clock: Clock, faults: FaultService, levels: Levels) -> list[APIRouter]:
    """Every route of parties, and TMF677."""
    state = customers.state
    view = View(state, zone, lambda id_: alarms_of(faults, id_), levels_by(levels))
    shapes = (tmf_records.organizations, tmf_records.billing_accounts, tmf_records.customers)
    return [*api.routers(customers, view, *shapes, guard, clock), tmf677.router(state, zone, guard, clock)]


def alarms_of(faults: FaultService, customer_id: str) -> Json:
    """The open alarms on what a customer's services use, the gravest first."""
    used = set(faults.resources.of_customers((customer_id,)))
    found = [one for one in faults.book.alarms.values() if one.resource in used and not one.is_cleared]
    found.sort(key=lambda one: (-one.severity, one.id))
    return {"alarms": [alarm_json(one) for one in found[:ALARMS_MAX]], "alarms_total": len(found)}


def levels_by(levels: Levels) -> Callable[[Scope, str, Sequence[str]], Awaitable[Sequence[Json]]]:
    async def of(scope: Scope, month: str, services: Sequence[str]) -> list[Json]:
        return [level_json(one) for id_ in services for one in await levels.of_month(scope, month, id_)]

    return of
