"""What polling sees of devices and interfaces, carried to the picture of the network and, as messages, to the rules."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from collectors.preference import without_covered
from collectors.proof import INTERFACES_MAX, Proof
from fault.service import FaultService
from inventory.picture import Picture
from inventory.topology import Entity
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import NS_PER_S, Clock
from station.series import entity_keys, metrics_of

UP: Final = 1
NOT_PRESENT: Final = 6  # what the station says of an interface whose row is gone from a table that is there
IF_STATUS: Final = "ifStatus"
UNREACHABLE: Final = "communications.device_unreachable"
IN_THE_WAY: Final = frozenset({"link", "duct", "device", "card", "interface"})  # kinds of roots that cut off, and do not kill
SESSION_STATE: Final = "sessionState"
REACHABLE: Final = "reachable"
IF_STATES: Final = ("", "up", "down", "testing", "unknown", "dormant", "notPresent", "lowerLayerDown")  # RFC 2863
DECISIVE: Final = frozenset({1, 2, 5, 6, 7})  # ifOperStatus testing and unknown say nothing about the link
LOOK_AGAIN_NS: Final = 10 * NS_PER_S
LOOK_AGAIN_MOST_NS: Final = 600 * NS_PER_S
SUSPECTS_MAX: Final = 1_000  # sessions of one device that polling saw change and that wait for a closer look
_OPER: Final = code_of("interface.oper_status")
_ADMIN: Final = code_of("interface.admin_status")
_AVAILABLE: Final = code_of("device.availability")
_SESSION: Final = code_of("session.state")
_WATCHED: Final = np.array([_OPER, _ADMIN, _AVAILABLE, _SESSION], np.uint8)

LookAt = Callable[[int, Sequence[int], Collection[str]], Awaitable[Proof | None]]
"""(device, ifIndexes, protocols) -> how they stand now; None without an answer."""
Poll = Callable[[int], Awaitable[bool]]
LookAgain = Callable[[str], Awaitable[None]]
"""Has discovery look at the device with this address: its interfaces may have other numbers now."""


class _Doubts(NamedTuple):
    """What the open alarms of one device are about as far as polling can see it: alarm ids by port and by session."""

    ports: Mapping[int, str]  # entity key
    sessions: Mapping[str, str]  # `bgp 192.0.2.1`


class Follower:
    """Watches the state metrics of every batch. An interface that was up and is down now is told at once.

    What has been down ever since it was first seen is no news: an unused port is not an alarm.
    """

    def __init__(self, picture: Picture, fault: FaultService, clock: Clock, *, look_at: LookAt, poll: Poll, look_again: LookAgain) -> None:
        self._picture, self._fault, self._clock = picture, fault, clock
        self._look_at, self._poll, self._look_again = look_at, poll, look_again
        self._oper: dict[int, int] = {}
        self._admin: dict[int, int] = {}
        self._sessions: dict[int, int] = {}
        self._suspects: dict[int, set[str]] = {}
        self._silent: set[int] = set()  # devices that did not answer their last poll
        self._begun = False
        self._version = -1
        self._vanished: dict[int, tuple[int, int]] = {}  # devices with a lost port at a link: when to look again, next pause (ns)
        self._lost: set[int] = set()  # devices whose silence was an alarm before this start and that were not heard since

    async def pass_on(self, polled: Channel[SampleBatch], covered: Callable[[], frozenset[int]], samples: Channel[SampleBatch]) -> None:
        """Carry polled batches on until the channel closes, without what a live stream delivers."""
        async for batch in polled:
            await self.see(batch)
            kept = without_covered(batch, covered())
            if len(kept):
                await samples.put(kept)

    async def see(self, batch: SampleBatch) -> None:
        """Take the states of one batch."""
        if not self._begun:
            self._begun = True
            self._take_up()
        rows = np.flatnonzero(np.isin(metrics_of(batch.series), _WATCHED) & np.isfinite(batch.value))
        keys, metrics = entity_keys(batch.series[rows]).tolist(), metrics_of(batch.series[rows]).tolist()
        changed: dict[int, int] = {}
        for key, metric, value, time_ns in zip(keys, metrics, batch.value[rows].tolist(), batch.time_ns[rows].tolist(), strict=True):
            if metric == _AVAILABLE:
                await self._answered(key >> 16, time_ns if value else 0)
            elif metric == _ADMIN:
                self._admin[key] = int(value)
            elif metric == _SESSION:
                self._session(key, int(value))
            elif (before := self._oper.get(key)) != int(value):
                self._oper[key] = int(value)
                changed[key] = before if before is not None else self._known(key) or int(value)
        await self._changed(changed)
        await self._tell_silent()
        await self._follow_picture()
        self._ask_vanished()

    def _take_up(self) -> None:
        """Look again at what was an alarm when the station stopped: nobody tells it of what was mended meanwhile."""
        topology = self._picture.current()
        for alarm in self._fault.book.alarms.values():
            device = topology.device_by_id.get(alarm.resource)
            if alarm.is_cleared or device is None:
                continue
            if alarm.alarm_type == UNREACHABLE:
                self._lost.add(device.no)
            elif self._fault.verified_by(alarm) == "session":
                self._suspect(device.no, alarm.qualifier, alarm.id)

    async def _answered(self, device_no: int, at_ns: int) -> None:
        """A device answered its poll `at_ns`, or, 0, did not."""
        if not at_ns:
            self._silent.add(device_no)
            return
        self._silent.discard(device_no)
        await self._picture.set_device_status(device_no, "up", at_ns)
        if device_no in self._lost:
            self._lost.discard(device_no)
            await self._fault.notifications.put((self._polled(device_no, REACHABLE, at_ns),))

    async def _tell_silent(self) -> None:
        """A silent device is down, or, where the incident it belongs to has its root elsewhere, merely unreachable."""
        if not self._silent:
            return
        behind, devices = cut_off(self._fault), self._picture.current().devices
        for no in self._silent & devices.keys():
            status = "unreachable" if devices[no].id in behind else "down"
            if status != devices[no].status:
                await self._picture.set_device_status(no, status, 0)

    async def _follow_picture(self) -> None:
        """What discovery saw and polling cannot: a port at a link that is gone, or that is back under another number."""
        topology, now_ns = self._picture.current(), self._clock.now_ns()
        if topology.version == self._version:
            return
        self._version = topology.version
        ports = [topology.entities[key] for key in topology.link_at]
        gone = {port.key: (UP, NOT_PRESENT) for port in ports if port.gone and self._oper.get(port.key) == UP}
        back = [port for port in ports if not port.gone and self._is_lost(port.key) and port.oper_status == UP]
        await self._saw(gone | {port.key: (port.admin_status, UP) for port in back}, now_ns)

    def _ask_vanished(self) -> None:
        """A lost port is looked for until it is back, ever more seldom."""
        now_ns = self._clock.now_ns()
        for device_no, (due_ns, pause_ns) in list(self._vanished.items()):
            if due_ns <= now_ns:
                self._vanished[device_no] = (now_ns + pause_ns, min(2 * pause_ns, LOOK_AGAIN_MOST_NS))
                self._fault.verifier.ask(device_no)

    def _session(self, key: int, state: int) -> None:
        """A session that changed is looked at closely: its table says by which name messages call the neighbour."""
        before = self._sessions.get(key, state)
        self._sessions[key] = state
        entity = self._picture.current().entities.get(key)
        if before != state and entity is not None:
            self._suspect(entity.device_no, entity.name)

    def _suspect(self, device_no: int, session: str, alarm_id: str = "") -> None:
        waiting = self._suspects.setdefault(device_no, set())
        if len(waiting) < SUSPECTS_MAX:
            waiting.add(session)
        self._fault.verifier.ask(device_no, alarm_id)

    def _known(self, key: int) -> int:
        """How the interface stood when the station last looked, before it was started again."""
        entity = self._picture.current().entities.get(key)
        return entity.oper_status if entity else 0

    async def _changed(self, changed: dict[int, int]) -> None:
        if not changed:
            return
        entities, alarmed = self._picture.current().entities, self._fault.open_resources()
        for key in changed:
            await self._picture.set_interface_status(key, self._admin.get(key, 0), self._oper[key])
            if self._is_lost(key) and key in self._picture.current().link_at:
                self._vanished.setdefault(key >> 16, (0, LOOK_AGAIN_NS))
        known = {key: entities[key] for key in changed if key in entities}
        await self._tell([entity for key, entity in known.items() if changed[key] != self._oper[key] or entity.id in alarmed])

    # -- proof ---------------------------------------------------------------------------------------------

    async def prove(self, device_no: int) -> frozenset[str] | None:
        """Look at what the device's open alarms are about and say how it stands; the ids of the alarms this decides.

        None when the device does not answer. Where polling cannot see what an alarm is about, its id is not among them.
        """
        decided = await self._decide(device_no)
        if decided is not None and device_no in self._vanished:
            await self._seek(device_no)
        return decided

    async def _decide(self, device_no: int) -> frozenset[str] | None:
        doubts = self._doubts(device_no)
        suspects = self._suspects.pop(device_no, set())
        sessions = {name: doubts.sessions.get(name, "") for name in (*doubts.sessions, *suspects)}
        if not doubts.ports and not sessions:
            return frozenset() if await self._poll(device_no) else None
        entities = self._picture.current().entities
        asked_ns = self._clock.now_ns()
        indexes = {entities[key].if_index: key for key in (*doubts.ports, *(self._linked(device_no) if sessions else ()))}
        proof = await self._look_at(device_no, list(indexes), {name.partition(" ")[0] for name in sessions})
        if proof is None:
            self._suspects.setdefault(device_no, set()).update(suspects)
            return None
        there = {index: proof.ports.get(index, (UP, NOT_PRESENT)) for index in list(indexes)[:INTERFACES_MAX]}
        seen = {indexes[index]: states for index, states in there.items() if states[1] in DECISIVE}
        await self._saw({key: states for key, states in seen.items() if key in doubts.ports or self._is_new(key, states[1])}, asked_ns)
        decided = await self._tell_sessions(device_no, proof, sessions, asked_ns)
        return frozenset({*(doubts.ports[key] for key in seen if key in doubts.ports), *decided})

    async def _seek(self, device_no: int) -> None:
        """Have discovery look at a device of which a port is lost; once all are there again nothing more is sought."""
        device = self._picture.current().devices.get(device_no)
        if device is not None and not device.vrf:  # in another address space its collector looks
            await self._look_again(device.management_address)
            await self._follow_picture()
        ports = self._picture.current().link_at
        if not any(key >> 16 == device_no and self._is_lost(key) for key in ports):
            self._vanished.pop(device_no, None)

    def _is_lost(self, key: int) -> bool:
        """Whether a port is in no table any more, or in one as shut down: some agents keep the row of an interface that is gone."""
        return self._oper.get(key) == NOT_PRESENT or (self._oper.get(key, UP) != UP and self._admin.get(key, UP) != UP)

    def _linked(self, device_no: int) -> list[int]:
        """The ports with a link of a device, by entity key: a lost session is looked into together with what it ran over."""
        topology = self._picture.current()
        return [port.key for port in topology.interfaces_of.get(device_no, ()) if port.if_index and port.key in topology.link_at]

    def _is_new(self, key: int, oper: int) -> bool:
        """Whether a port's state is another than the one known. Of one that was never seen up it is no news that it is down."""
        before = self._oper.get(key) or self._known(key)
        return before == UP != oper or (oper == UP and before in DECISIVE - {UP})

    def _doubts(self, device_no: int) -> _Doubts:
        """Open alarms of the device that nothing trusted has confirmed, or of which somebody says that they are over."""
        ports: dict[int, str] = {}
        sessions: dict[str, str] = {}
        for alarm in self._fault.doubtful(device_no):
            entity = self._picture.current().entity_by_id.get(alarm.resource)
            match self._fault.verified_by(alarm):
                case "interface" if entity is not None and entity.if_index:
                    ports[entity.key] = alarm.id
                case "session":
                    sessions[alarm.qualifier] = alarm.id
        return _Doubts(ports, sessions)

    async def _saw(self, seen: Mapping[int, tuple[int, int]], at_ns: int) -> None:
        """(ifAdminStatus, ifOperStatus) by entity key, as a look of its own brought them."""
        entities = self._picture.current().entities
        for key, (admin, oper) in seen.items():
            self._admin[key], self._oper[key] = admin, oper
            if self._is_lost(key) and key in self._picture.current().link_at:
                self._vanished.setdefault(key >> 16, (0, LOOK_AGAIN_NS))
            await self._picture.set_interface_status(key, admin, oper)
        await self._tell([entities[key] for key in seen if key in entities], at_ns)

    async def _tell_sessions(self, device_no: int, proof: Proof, sessions: Mapping[str, str], at_ns: int) -> set[str]:
        """Say how the sessions stand; the alarms decided by that."""
        said: list[Notification] = []
        decided: set[str] = set()
        for name, alarm_id in sessions.items():
            protocol, _, peer = name.partition(" ")
            found = proof.session(protocol, peer)
            if found is None:
                continue
            decided.add(alarm_id)
            # What is up is so under each of its names: who had forgotten a neighbour could not tell by which he is called.
            called = [f"{protocol} {each}" for each in found.names]
            names, state = ({*called, name}, "up") if found.up else ({name if alarm_id else called[0]}, "down")
            said += [self._polled(device_no, SESSION_STATE, at_ns, session=each, state=state) for each in sorted(names)]
        if said:
            await self._fault.notifications.put(tuple(said))
        return decided - {""}

    def _polled(self, device_no: int, name: str, at_ns: int, **fields: str) -> Notification:
        """A message of the station's own look at a device."""
        address = self._picture.current().devices[device_no].management_address
        return Notification(at_ns, address, device_no, "poll", name, fields=fields, authenticated=True)

    async def _tell(self, entities: Iterable[Entity], at_ns: int = 0) -> None:
        now_ns, topology = at_ns or self._clock.now_ns(), self._picture.current()
        unresolved = {end.local for end in topology.missing}
        said = tuple(
            self._polled(
                entity.device_no,
                IF_STATUS,
                now_ns,
                ifIndex="" if entity.gone else str(entity.if_index),  # a gone port's number may be another's now
                ifName=entity.name,
                ifOperStatus=_label(self._oper[entity.key]),
                ifAdminStatus=_label(self._admin.get(entity.key, UP)),
                linked="yes" if entity.key in topology.link_at or entity.key in unresolved else "no",
            )
            for entity in entities
        )
        if said:
            await self._fault.notifications.put(said)


def cut_off(fault: FaultService) -> frozenset[str]:
    """Ids of the devices whose silence an open incident puts down to something else than themselves: what is in the way."""
    open_ones = [it for it in fault.incidents.incidents.values() if it.state == "open" and it.root.kind in IN_THE_WAY]
    members = [(it.root.resource_id, fault.book.alarms.get(key)) for it in open_ones for key in it.alarm_ids]
    return frozenset(
        alarm.resource
        for root, alarm in members
        if alarm is not None and not alarm.is_cleared and alarm.alarm_type == UNREACHABLE and alarm.resource != root
    )


def _label(state: int) -> str:
    return IF_STATES[state] if 0 < state < len(IF_STATES) else "unknown"
