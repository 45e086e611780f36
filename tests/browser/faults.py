"""The station's own fault and notify side behind the console's fakes: a plan, planned work, learnt causes, a month of faults."""

from datetime import UTC, datetime

import sqlalchemy as sa
from fastapi import APIRouter

import fault.health_api
import fault.learning.api
import fault.maintenance.api
import fault.notices.api
import fault.notify.plan_api
import fault.reports_api
from fault.learning import store as learnt
from fault.learning.decisions import Causes
from fault.maintenance.registry import NamedTarget
from fault.maintenance.registry import Plan as Work
from fault.notices.desk import Desk
from fault.notices.texts import load_texts
from fault.notify import store as notify_store
from fault.notify.outbox import Notifier
from fault.notify.plans import plan_of
from fault.notify.settings import NotifySettings
from fault.service import FaultService
from fault.settings import FaultSettings
from station.clock import NS_PER_S, SystemClock
from station.hub import Hub
from station.scope import STATION
from station.security.targets import Guard
from station.security.vault import Key, Vault
from station.state import State
from tests.fault.network import NETWORK, Alone, event

FAN, HEAT, RESET = "equipment.fan_failed", "environmental.temperature_high", "equipment.restarted"
EVIDENCE = {"score": 41.5, "causes": 120, "effects": 90, "explained": [55.0, 21.0, 2.0], "lags_s": [4.0, 21.0, 70.0], "lag_s": 20.0}
PLAN = {
    "route": {
        "receivers": ["noc"],
        "group_by": ["site"],
        "routes": [{"match": "region:north", "severity": "major", "on_call": ["first line"], "escalate": "night", "mute": ["work hours"]}],
    },
    "schedules": {"first line": {"layers": [{"people": ["anna", "otto"], "starts": "2026-01-05T08:00:00", "zone": "Europe/Berlin"}]}},
    "people": {"anna": ["noc"], "otto": ["noc"]},
    "chains": {"night": {"steps": [{"after_s": 900, "receivers": ["noc"]}]}},
    "times": {"work hours": {"days": ["mon", "tue"], "since": "08:00", "until": "18:00", "zone": "Europe/Berlin"}},
    "teams": {"night watch": ["anna"]},
}


async def fault_routers(state: State, hub: Hub) -> list[APIRouter]:
    """Routers over a small network with something in each list."""
    clock = SystemClock()
    notifier = Notifier(state, Guard(()), clock, NotifySettings(), Vault(state, Key(1, bytes(32)), clock), hub, simulated=True)
    service = FaultService(state, lambda: NETWORK, Hub(), clock, FaultSettings(lone_after_s=0, announce_after_s=0), Alone())
    await service.load()
    causes = Causes(state, clock)
    await _fill(state, service, notifier, clock.now_ns())
    desk = Desk(service, notifier, load_texts())
    hurt = next(it.id for it in service.incidents.incidents.values() if it.root.resource_id == "if-r3-9")
    await desk.draft(STATION, hurt)
    return [
        fault.maintenance.api.router(service),
        fault.health_api.router(service),
        fault.reports_api.router(service, notifier.plans.teams, simulated=True),
        fault.learning.api.router(causes, lambda: NETWORK),
        fault.notices.api.router(desk),
        fault.notify.plan_api.router(notifier),
    ]


async def _fill(state: State, service: FaultService, notifier: Notifier, now_ns: int) -> None:
    began_ns = now_ns - 3_600 * NS_PER_S
    at_s = (began_ns - event("x", "major").time_ns) / NS_PER_S
    await service.handle([event("if-r3-9", "critical", at_s), event("dev-r2", "major", at_s, FAN), event("dev-r1", "minor", at_s, HEAT)])
    await service.handle([event("dev-r2", "cleared", at_s + 600, FAN)])
    hook, _ = await notifier.add_webhook(STATION, "noc", "https://8.8.8.8/hook")
    await notifier.plans.put(STATION, plan_of(PLAN))
    found = [(FAN, HEAT), (HEAT, RESET), (RESET, FAN)]
    async with state.write() as conn:
        await learnt.propose(conn, STATION.tenant, [(*pair, EVIDENCE | {"events": 4_000, "days": 30}) for pair in found], now_ns)
        row = {"tenant": STATION.tenant, "webhook_id": hook.id, "object_id": "cut", "ticket": "INC-4711", "created_ns": began_ns}
        await conn.execute(sa.insert(notify_store.ticket).values(**row, closed_ns=0))
    starts = service.clock.now_ns() // NS_PER_S + 7_200
    work = Work(
        reason="new line card",
        owner="anna",
        targets=[NamedTarget(kind="device", id="dev-r2")],
        starts=_local(starts),
        duration_s=7_200,
        rule="FREQ=WEEKLY",
    )
    await service.maintenance.add(STATION, work, service.resources)


def _local(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
