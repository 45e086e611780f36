"""The fault service: events in, alarms and incidents kept, stored, shown and announced - in that order, in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from itertools import takewhile
from typing import Protocol, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import incident_store, store
from fault.alarm_types import AlarmTypes, VerifiedBy, alarm_types, type_of
from fault.alarms import Alarm, AlarmBook, Change, Severity
from fault.correlation.contract import AlarmChange, Correlator
from fault.heard import Heard, Interpreter
from fault.incidents import Incident, IncidentBook
from fault.maintenance.cover import Cover
from fault.maintenance.registry import Registry
from fault.metrics import ACTIVE, BATCH_SECONDS, INCIDENTS_OPEN, STORE_RETRIES
from fault.resources import Resources
from fault.settings import FaultSettings
from fault.verify import Verifier, Verify
from fault.views import alarm_json, incident_json
from inventory.topology import Topology
from station.batch import Event, Notification
from station.channel import Channel, ChannelClosedError
from station.clock import NS_PER_S, Clock
from station.hub import Hub
from station.scope import OPERATOR_TENANT
from station.state import State

log = structlog.get_logger("fault")

RETRY_FIRST_S = 0.2
RETRY_MOST_S = 10.0
PURGE_EVERY_NS = 3600 * NS_PER_S
SHOWN_ONE_BY_ONE = 256  # alarms and incidents that one batch may change before the browsers are told to ask again instead
T = TypeVar("T")
STATE_CHANGES = frozenset({"raised", "reopened", "severity", "cleared"})


Act = Callable[[AlarmBook, Alarm, int], list[Change]]
Note = Callable[[AsyncConnection], Awaitable[None]]
Changes = Sequence[tuple[Change, Alarm]]
Listener = Callable[[AsyncConnection, Changes, Sequence[tuple[str, Incident]], int], Awaitable[None]]


class ActionRefusedError(Exception):
    """This alarm cannot be changed so; the text says why."""


class Announcer(Protocol):
    """Writes what routes are to be told into the outbox, within the transaction that made it true."""

    async def announce(
        self, conn: AsyncConnection, changes: Sequence[tuple[Change, Alarm]], incidents: Sequence[tuple[str, Incident]], now_ns: int
    ) -> None:
        """`incidents` as (transition, incident); `changes` only those with `announce`."""
        ...

    def wake(self) -> None:
        """The transaction is committed: deliver."""
        ...


class FaultService:
    """Owns the alarms and incidents of one tenant. Everything that changes one passes `_turn`, one at a time.

    `events` and `notifications` are the channels to write to; `run` works until cancelled. After an
    exception of the store a batch is tried again until it is in: nothing is shown or announced before.
    """

    def __init__(
        self,
        state: State,
        topology: Callable[[], Topology],
        hub: Hub,
        clock: Clock,
        settings: FaultSettings,
        correlator: Correlator,
        *,
        interpreter: Interpreter | None = None,
        announcer: Announcer | None = None,
        verify: Verify | None = None,
        types: AlarmTypes | None = None,
        tenant: int = OPERATOR_TENANT,
    ) -> None:
        self.state, self.hub, self.clock, self.settings, self.tenant = state, hub, clock, settings, tenant
        self.types = alarm_types() if types is None else types
        self.events: Channel[tuple[Event, ...]] = Channel("fault_events", settings.channel_batches_max)
        self.notifications: Channel[tuple[Notification, ...]] = Channel("fault_notifications", settings.channel_batches_max)
        self.book = AlarmBook(settings, self.types, tenant)
        self.incidents = IncidentBook(tenant)
        self.maintenance = Registry(state, clock, tenant)
        self.verifier = Verifier(settings, clock, verify, self._verified)
        self._topology, self._correlator = topology, correlator
        self._interpreter = None if interpreter is None else Heard(interpreter)
        self._announcer = announcer
        self.listeners: list[Listener] = []  # called with every change, and incidents as announced, within the transaction
        self._resources = Resources(Topology(version=-1))
        self._covers = False  # whether the cover is that of the plan and the topology as they are
        self.maintenance.changed = self._uncover
        self._turn = asyncio.Lock()
        self._closed: dict[str, int] = {}
        self._young: dict[str, int] = {}  # alarms to look at when they are older: id -> since when, in that order
        self._purge_ns = 0
        self._doubted: dict[int, set[str]] = {}  # device -> its alarms that a verifying poll is to look at
        self._unsaved: list[Change] = []
        self._untold: list[tuple[str, Incident]] = []

    @property
    def resources(self) -> Resources:
        """The look-ups of the topology that is current for fault."""
        return self._resources

    # -- life ------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up the alarms and incidents of the store; the correlator hears of every open alarm again."""
        now_ns = self.clock.now_ns()
        since_ns = now_ns - self.settings.memory_after_clear_s * NS_PER_S
        self._tell_gauges()
        await self.maintenance.load()
        async with self.state.read() as conn:
            alarms = await store.open_alarms(conn, self.tenant, since_ns)
            kept = sa.or_(store.incident.c.state == "open", store.incident.c.closed_ns >= since_ns)
            incidents = await incident_store.incidents_where(conn, self.tenant, kept)
        self.incidents.adopt(incidents)
        self._closed = {it.id: it.closed_ns for it in incidents if it.state == "closed"}
        self.book.adopt(alarms, now_ns)
        open_alarms = [alarm for alarm in alarms if not alarm.is_cleared]
        self._young = {alarm.id: now_ns for alarm in open_alarms if not alarm.incident_id}
        self._refresh_topology()
        for alarm in open_alarms:
            if _doubtful(alarm):
                self._ask(alarm)
        async with self._turn:
            feed = [_fed(alarm, alarm.raised_ns) for alarm in open_alarms]
            await self._commit(self._cover(now_ns), feed, now_ns)

    async def run(self) -> None:
        """Work until cancelled. `load` comes first."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._consume_events())
            tasks.create_task(self._consume_notifications())
            tasks.create_task(self._keep_time())
            tasks.create_task(self.verifier.run())

    async def _consume_events(self) -> None:
        async for first in self.events:
            await self.handle(await _with_waiting(first, self.events, self.settings.batch_events_max))

    async def _consume_notifications(self) -> None:
        async for first in self.notifications:
            batch = await _with_waiting(first, self.notifications, self.settings.batch_events_max)
            await self.hear(batch)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(self.settings.tick_s)
            await self.tick()

    # -- what changes alarms -----------------------------------------------------------------------

    async def hear(self, notifications: Sequence[Notification], *, position: tuple[str, int] | None = None) -> None:
        """Messages from the network become events by the rules."""
        self._refresh_topology()
        if self._interpreter is None:
            return
        events, ask = self._interpreter.events(notifications, self._resources)
        for device_no in ask:
            self.verifier.ask(device_no)
        await self.handle(events, position=position)

    async def handle(self, events: Sequence[Event], *, position: tuple[str, int] | None = None) -> None:
        """Apply events; on return their effect is stored. `position` (source, n) is stored in the same transaction."""
        async with self._turn:
            now_ns = self.clock.now_ns()
            self._refresh_topology()
            await self._recall(events)
            changes = self._cover(now_ns)
            for event in events:
                made, unproven = self.book.apply(event, self._resources.place, now_ns)
                changes += made
                if unproven is not None or (made and not event.authenticated):
                    self._ask(self.book.alarms[self.book.id_of(event)])
            self.book.tell()
            await self._commit(changes, self._feed(changes), now_ns, position=position)

    async def tick(self) -> None:
        """What time alone changes."""
        async with self._turn:
            now_ns = self.clock.now_ns()
            self._refresh_topology()
            changes = [*self._cover(now_ns), *self.book.tick(now_ns)]
            self._forget_closed(now_ns)
            await self._commit(changes, self._feed(changes), now_ns)
        if now_ns >= self._purge_ns:
            self._purge_ns = now_ns + PURGE_EVERY_NS
            async with self.state.write() as conn:
                await store.purge(conn, self.tenant, now_ns - self.settings.keep_cleared_days * 86_400 * NS_PER_S)

    async def change(self, ids: Sequence[str], act: Act, note: Note | None = None) -> dict[str, str]:
        """Let `act` change each alarm of `ids`, all in one transaction; why not, by id, for those it did not change.

        `note` writes in the same transaction (the audit).
        """
        refused: dict[str, str] = {}
        async with self._turn:
            now_ns = self.clock.now_ns()
            await self._recall_ids(ids)
            changes: list[Change] = []
            for key in ids:
                if key not in self.book.alarms:
                    refused[key] = "there is no such alarm"
                    continue
                try:
                    changes += act(self.book, self.book.alarms[key], now_ns)
                except ActionRefusedError as error:
                    refused[key] = str(error)
            await self._commit(changes, self._feed(changes), now_ns, note=note)
        return refused

    async def forget(self, key: str, note: Note) -> None:
        """Remove an alarm that is over, with its history, together with what `note` writes."""
        async with self._turn:
            async with self.state.write() as conn:
                await store.remove_alarm(conn, self.tenant, key)
                await note(conn)
            self.book.alarms.pop(key, None)
            self._young.pop(key, None)

    async def _verified(self, claims: dict[str, int]) -> None:
        """A device answered its verifying poll, which showed nothing of these alarms: the claims that they are over are believed."""
        async with self._turn:
            now_ns = self.clock.now_ns()
            changes: list[Change] = []
            for key, claimed_ns in claims.items():
                alarm = self.book.alarms.get(key)
                if alarm is not None and alarm.claimed_ns == claimed_ns:
                    says = "said by an unauthenticated message, not repeated since, and the device answered a poll"
                    changes += self.book.end(key, claimed_ns, now_ns, by="verification", text=says)
            await self._commit(changes, self._feed(changes), now_ns)

    def doubtful(self, device_no: int) -> list[Alarm]:
        """Open alarms of a device that nothing trusted has confirmed, or of which an unauthenticated message says that they are over."""
        known = (self.book.alarms.get(key) for key in self._doubted.pop(device_no, ()))
        found = [alarm for alarm in known if alarm is not None and _doubtful(alarm)]
        if found:
            self._doubted[device_no] = {alarm.id for alarm in found}
        return found

    def verified_by(self, alarm: Alarm) -> VerifiedBy:
        """Whose word decides about the state of this alarm."""
        return type_of(alarm.alarm_type, self.types).verified_by

    def _ask(self, alarm: Alarm) -> None:
        device = self._resources.device_of(alarm.resource)
        if device is not None:
            self._doubted.setdefault(device.no, set()).add(alarm.id)
            self.verifier.ask(device.no, alarm.id, alarm.claimed_ns)

    # -- one transaction ---------------------------------------------------------------------------

    async def _commit(
        self,
        changes: Sequence[Change],
        feed: Sequence[AlarmChange],
        now_ns: int,
        *,
        position: tuple[str, int] | None = None,
        note: Note | None = None,
    ) -> None:
        """Store what changed, then show it. What a cancelled call could not store goes with the next one."""
        with BATCH_SECONDS.time():
            self._unsaved += changes
            self._weigh(changes)
            self._correlate(changes, feed, now_ns)
            self._untold += self._announcements(now_ns)
            touched = [self.book.alarms[key] for key in self.book.changed | self.incidents.touched if key in self.book.alarms]
            incidents = [self.incidents.incidents[key] for key in self.incidents.changed]
            repeats = [self.book.alarms[key] for key in self.book.repeated - self.book.changed - self.incidents.touched]
            if not (touched or repeats or incidents or position or note):
                return
            made = [(change, self.book.alarms[change.alarm_id]) for change in self._unsaved if change.alarm_id in self.book.alarms]
            announced = [(change, alarm) for change, alarm in made if change.announce]

            async def write(conn: AsyncConnection) -> None:
                await store.save_alarms(conn, self.tenant, touched)
                await store.save_repeats(conn, self.tenant, repeats)
                await store.save_history(conn, self.tenant, self._unsaved)
                await incident_store.save_incidents(conn, self.tenant, incidents, self.incidents.joined, self.incidents.left)
                if self._announcer is not None:
                    await self._announcer.announce(conn, announced, self._untold, now_ns)
                for listener in self.listeners:
                    await listener(conn, made, self._untold, now_ns)
                if position is not None:
                    await store.save_position(conn, self.tenant, *position)
                if note is not None:
                    await note(conn)

            await self._write(write)
        self._after_commit([*touched, *repeats], incidents)

    async def _write(self, write: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        """Until it is in: the channels fill and wait meanwhile, which is the policy for a store that fails."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                async with self.state.write() as conn:
                    await write(conn)
                return
            except (SQLAlchemyError, OSError) as error:
                STORE_RETRIES.inc()
                log.error("the state store does not take a batch", error=str(error)[:500], retry_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, RETRY_MOST_S)

    def _after_commit(self, touched: Sequence[Alarm], incidents: Sequence[Incident]) -> None:
        self._unsaved, self._untold = [], []
        of_incidents = (self.incidents.touched, self.incidents.changed, self.incidents.joined, self.incidents.left)
        for pending in (self.book.changed, self.book.repeated, *of_incidents):
            pending.clear()
        self._closed |= {it.id: it.closed_ns for it in incidents if it.state == "closed"}
        if len(touched) + len(incidents) > SHOWN_ONE_BY_ONE:
            self.hub.publish("reload", {})  # every browser would fall behind: it asks for its page instead
        else:
            for alarm in touched:
                self.hub.publish("alarm", alarm_json(alarm))
            for it in incidents:
                self.hub.publish("incident", incident_json(it))
        if self._announcer is not None:
            self._announcer.wake()

    # -- correlation -------------------------------------------------------------------------------

    def _refresh_topology(self) -> None:
        topology = self._topology()
        if topology is not self._resources.topology:
            self._resources = Resources(topology)
            self._uncover()
            self._correlator.topology_changed(topology)

    def _uncover(self) -> None:
        self._covers = False

    def _cover(self, now_ns: int) -> list[Change]:
        """Mark what planned work covers now, if another window is in force, or the network is another."""
        if self._covers and now_ns < self.maintenance.in_force.until_ns:
            return []
        self._covers = True
        self.maintenance.look(now_ns)
        cover = Cover(self.maintenance.in_force.windows, self._resources)
        self.book.covered_by, self.incidents.planned = cover.of, cover.of_incident
        changes = self.book.cover(now_ns)
        for it in self.incidents.incidents.values():
            if it.state == "open":
                self.incidents.refresh(it, self.book.alarms, self._resources, now_ns)
        return changes

    def _feed(self, changes: Sequence[Change]) -> list[AlarmChange]:
        return [_fed(self.book.alarms[change.alarm_id], change.time_ns) for change in changes if change.what in STATE_CHANGES]

    def _weigh(self, changes: Sequence[Change]) -> None:
        """Count the services that hang on the resource of each alarm that was raised."""
        for change in changes:
            if change.what in ("raised", "reopened"):
                alarm = self.book.alarms[change.alarm_id]
                services = self._resources.services((alarm.resource,))
                alarm.services, alarm.customers = len(services), len({service.customer_id for service in services})

    def _correlate(self, changes: Sequence[Change], feed: Sequence[AlarmChange], now_ns: int) -> None:
        alarms = self.book.alarms
        said = self._correlator.feed(now_ns, feed)
        self.incidents.take(said, alarms, self._resources, now_ns)
        for key in self.incidents.touched:  # what an incident let go and no other took
            loose = alarms.get(key)
            if loose is not None and not loose.incident_id and not loose.is_cleared:
                self._young.setdefault(key, now_ns)
        ids = {change.alarm_id for change in changes if change.what in STATE_CHANGES}
        for key in {alarms[key].incident_id for key in ids} & self.incidents.incidents.keys() - self.incidents.changed:
            self.incidents.refresh(self.incidents.incidents[key], alarms, self._resources, now_ns)
        for change in changes:
            if change.what == "cleared":
                self._young.pop(change.alarm_id, None)
            elif change.what in STATE_CHANGES:
                self._young.setdefault(change.alarm_id, now_ns)
        after_ns = int(self.settings.lone_after_s * NS_PER_S)
        due = list(takewhile(lambda key: now_ns - self._young[key] >= after_ns, self._young))
        for key in due:
            del self._young[key]
            alarm = alarms.get(key)
            if alarm is not None and not alarm.is_cleared and not self._in_open_incident(alarm):
                self.incidents.wrap(alarm, alarms, self._resources, now_ns)

    def _in_open_incident(self, alarm: Alarm) -> bool:
        it = self.incidents.incidents.get(alarm.incident_id)
        return it is not None and it.state == "open"

    def _announcements(self, now_ns: int) -> list[tuple[str, Incident]]:
        """What routes are told of incidents: opened once it stood a while, changed with its root or verdict, closed."""
        told: list[tuple[str, Incident]] = []
        after_ns = int(self.settings.announce_after_s * NS_PER_S)
        for it in self.incidents.incidents.values():
            if it.maintenance and it.state == "open":
                continue
            if it.told == it.actual or (not it.told and now_ns - it.opened_ns < after_ns):
                continue
            told.append(("closed" if not it.actual else "changed" if it.told else "opened", it))
            it.told = it.actual
            it.revision += 1
            self.incidents.changed.add(it.id)
        return told

    def _forget_closed(self, now_ns: int) -> None:
        keep_ns = self.settings.memory_after_clear_s * NS_PER_S
        for key, closed_ns in list(self._closed.items()):
            it = self.incidents.incidents.get(key)
            if it is None or it.state == "open":
                del self._closed[key]
            elif closed_ns + keep_ns <= now_ns:
                self.incidents.forget(it)
                del self._closed[key]

    # -- memory ------------------------------------------------------------------------------------

    async def _recall(self, events: Sequence[Event]) -> None:
        await self._recall_ids(list({self.book.id_of(event) for event in events}))

    async def _recall_ids(self, ids: Sequence[str]) -> None:
        """Bring alarms that were cleared long ago back into memory: their occurrence and operator state go on."""
        unknown = [key for key in ids if key not in self.book.alarms]
        if unknown:
            async with self.state.read() as conn:
                self.book.adopt(await store.alarms_by_id(conn, self.tenant, unknown), self.clock.now_ns())

    def open_resources(self, types: Collection[str] | None = None) -> frozenset[str]:
        """The resources that have an alarm, of these types alone, which is not cleared."""
        alarms = (alarm for alarm in self.book.alarms.values() if not alarm.is_cleared)
        return frozenset(alarm.resource for alarm in alarms if types is None or alarm.alarm_type in types)

    def _tell_gauges(self) -> None:
        """Counted when metrics are read."""
        for severity in Severity:
            ACTIVE.labels(severity.word).set_function(partial(self._active_of, severity))
        INCIDENTS_OPEN.set_function(lambda: sum(map(_counts, self.incidents.incidents.values())))

    def _active_of(self, severity: Severity) -> int:
        return sum(alarm.severity is severity for alarm in self.book.alarms.values() if not alarm.is_cleared)


def _counts(it: Incident) -> bool:
    """Whether an incident is work for a person now."""
    return it.state == "open" and not it.noise and not it.maintenance


def _doubtful(alarm: Alarm) -> bool:
    return not alarm.is_cleared and (alarm.claimed_ns > 0 or not alarm.authenticated)


def _fed(alarm: Alarm, time_ns: int) -> AlarmChange:
    return AlarmChange(
        alarm_id=alarm.id,
        time_ns=time_ns,
        raised_ns=alarm.raised_ns,
        state="cleared" if alarm.is_cleared else "raised",
        resource=alarm.resource,
        device=alarm.place.device_id,
        alarm_type=alarm.alarm_type,
        probable_cause=alarm.probable_cause,
        event_type=alarm.event_type,
        severity=alarm.severity.word,
        qualifier=alarm.qualifier,
        text=alarm.text,
        occurrence=alarm.occurrence,
    )


async def _with_waiting(first: tuple[T, ...], channel: Channel[tuple[T, ...]], most: int) -> list[T]:
    """What the channel holds already joins its first item, so that a flood is written in few transactions."""
    batch = list(first)
    while len(channel) and len(batch) < most:
        try:
            batch += await channel.get()
        except ChannelClosedError:
            break
    return batch
