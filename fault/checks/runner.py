"""Asks the first questions about an incident as soon as routes hear of its root: a few at once, so many a minute, once a root."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.alarm_types import alarm_types
from fault.checks import store
from fault.checks.subjects import Subject, subjects
from fault.checks.words import Check, Way, changed, interfaces, pinged, traced
from fault.incidents import Incident
from fault.metrics import FIRST_CHECKS
from fault.service import Changes, FaultService
from fault.views import incident_json

log = structlog.get_logger("fault")

ROOTS_MAX: Final = 3  # of one incident that are looked at: a root that wanders is not chased
PINGS: Final = 3
STOP: Final = ("closed",)


class Looker(Protocol):
    """Asks the network; OSError says why it cannot be asked."""

    async def ping(self, address: str, count: int, timeout_s: float) -> Sequence[float | None]: ...

    async def trace(self, address: str) -> Way: ...

    async def ports(self, device_no: int, if_indexes: Sequence[int]) -> Mapping[int, tuple[int, int]] | None: ...


class FirstChecks:
    """`run` works until cancelled. What a full queue leaves out is counted, and asked again by nobody: a person may."""

    def __init__(self, service: FaultService, looker: Looker) -> None:
        self._service, self._looker = service, looker
        self._settings = service.settings
        self._waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue(self._settings.first_checks_waiting_max)
        self._asked: dict[str, set[str]] = {}
        self._next_s = 0.0
        self._changes = {name for name, kind in alarm_types().items() if kind.class_ == "change"}
        if self._settings.first_checks:
            service.listeners.append(self._hear)

    async def _hear(self, _conn: AsyncConnection, _changes: Changes, incidents: Sequence[tuple[str, Incident]], _now_ns: int) -> None:
        for transition, it in incidents:
            if transition in STOP:
                self._asked.pop(it.id, None)
            else:
                self.ask(it)

    def ask(self, it: Incident, *, again: bool = False) -> bool:
        """Put an incident into the queue unless its root was looked at; whether it is in."""
        roots = self._asked.setdefault(it.id, set())
        if not again and (it.root.resource_id in roots or len(roots) >= ROOTS_MAX):
            return False
        try:
            self._waiting.put_nowait((it.id, it.root.resource_id))
        except asyncio.QueueFull:
            FIRST_CHECKS.labels("queue_full").inc()
            return False
        roots.add(it.root.resource_id)
        return True

    async def run(self) -> None:
        await self._take_up()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._settings.first_checks_at_once_max):
                tasks.create_task(self._work())

    async def _take_up(self) -> None:
        """What routes were told of and nobody looked at before the station stopped."""
        known = [it for it in self._service.incidents.incidents.values() if it.state == "open" and it.told]
        async with self._service.state.read() as conn:
            done = await store.checked(conn, self._service.tenant, [it.id for it in known])
        for key, root in done:
            self._asked.setdefault(key, set()).add(root)
        for it in known if self._settings.first_checks else ():
            self.ask(it)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            key, root = await self._waiting.get()
            start_s = max(loop.time(), self._next_s)
            self._next_s = start_s + 60.0 / self._settings.first_checks_per_minute
            await asyncio.sleep(start_s - loop.time())
            it = self._service.incidents.incidents.get(key)
            if it is None or it.root.resource_id != root:
                FIRST_CHECKS.labels("over").inc()
                continue
            await self._look(it)

    async def _look(self, it: Incident) -> None:
        """Ask everything, keep what came, tell the browsers."""
        service = self._service
        at_ns, root = service.clock.now_ns(), it.root.resource_id
        alarmed = [alarm.resource for key in it.root_alarm_ids if (alarm := service.book.alarms.get(key)) is not None]
        asked = subjects(root, alarmed, service.resources)
        try:
            found = [check for each in await asyncio.gather(*(self._of(subject, it) for subject in asked)) for check in each]
            FIRST_CHECKS.labels("asked" if found else "nobody").inc()
            async with service.state.write() as conn:
                await store.save(conn, service.tenant, (it.id, root), at_ns, found)
        except SQLAlchemyError as error:
            FIRST_CHECKS.labels("not_kept").inc()
            log.error("first checks are not kept", incident=it.id, error=str(error)[:500])
            return
        service.hub.publish("incident", incident_json(it))

    async def _of(self, subject: Subject, it: Incident) -> list[Check]:
        async with self._service.state.read() as conn:
            last = await store.last_change(conn, self._service.tenant, subject.id, self._changes)
        told = changed(subject.name, last, it.opened_ns)
        asked = ("ping", self._ping(subject)), ("trace", self._trace(subject)), ("interface", self._ports(subject))
        return [*await asyncio.gather(*(self._bounded(kind, subject, work) for kind, work in asked)), told]

    async def _bounded(self, kind: str, subject: Subject, work: Awaitable[Check]) -> Check:
        try:
            async with asyncio.timeout(self._settings.first_check_timeout_s):
                return await work
        except TimeoutError:
            return Check(kind, subject.name, "unknown", f"no end after {self._settings.first_check_timeout_s:g} s")
        except OSError as error:
            return Check(kind, subject.name, "unknown", str(error) or type(error).__name__)

    def _meant(self, subject: Subject) -> str:
        """The address to ask; OSError where it means another device from here."""
        device = self._service.resources.topology.devices.get(subject.no)
        if device is not None and device.vrf:
            raise OSError("its address means it only in its own address space")
        return subject.address

    async def _ping(self, subject: Subject) -> Check:
        return pinged(subject.name, await self._looker.ping(self._meant(subject), PINGS, 2.0))

    async def _trace(self, subject: Subject) -> Check:
        topology = self._service.resources.topology
        way = await self._looker.trace(self._meant(subject))
        names = {hop: topology.devices[topology.addresses[hop]].name for hop in way.hops if topology.addresses.get(hop) in topology.devices}
        return traced(subject.name, way, names)

    async def _ports(self, subject: Subject) -> Check:
        seen = await self._looker.ports(subject.no, [port.if_index for port in subject.ports if port.if_index])
        return interfaces(subject.name, subject.ports, seen)
