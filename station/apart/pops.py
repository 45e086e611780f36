"""The station's side of its collectors: their shares and secrets, what they send, and the one alarm for a POP that is cut off."""

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, Protocol

import nats
import numpy as np
import numpy.typing as npt
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from collectors.proof import Proof
from collectors.snmp.credentials import SnmpCredential
from fault.service import FaultService
from fault.store import positions_of
from inventory.facts import facts_of
from inventory.intake import Intake as Inventory
from inventory.picture import Picture
from inventory.places import place_of
from inventory.settings import SiteRule
from inventory.settle import settle
from inventory.shares import Share, own, owners, reachable, shares
from inventory.topology import Topology
from station.apart.beats import BLIND, Beat, Beats
from station.batch import Event, Notification, SampleBatch
from station.bus import blocks, notices, subjects
from station.bus.columns import BlockError
from station.bus.intake import Intake
from station.bus.keys import seal
from station.bus.link import close, connect, make_streams
from station.bus.notices import packed, unpacked
from station.bus.registry import NewCollector, Registry, RegistryError, invitation, living
from station.bus.server import BusFolder, BusServer
from station.bus.settings import BusSettings
from station.bus.subjects import Label
from station.channel import Channel
from station.clock import NS_PER_S, Clock
from station.ids import derived_id
from station.metrics import counter, gauge
from station.scope import STATION, Role, Scope
from station.security.vault import LOGIN
from station.series import devices_of
from station.state import State

COLLECTORS = gauge("collectors", "Collectors by whether they are there.", "state")
FOREIGN = counter("collector_foreign_rows", "Rows of devices that are not their collector's, left out.", "kind")
LATE = counter("collector_late_rows", "Rows of the past that collectors filled in: stored, and no alarms.")
BLIND_ALARM: Final = "communications.collector_blind"
NAMED_MAX: Final = 20  # devices that the alarm of a blind collector names
LOOK_EVERY_S: Final = 1.0
SETTLE_EVERY_S: Final = 3.0
ASK_S: Final = 15.0
SYNC_DEVICES_MAX: Final = 200
SYNC_ENTITIES_MAX: Final = 20_000
log = structlog.get_logger("pops")


class Sees(Protocol):
    """Takes the states of a batch that is of now (`station.follow`)."""

    async def see(self, batch: SampleBatch) -> None: ...


class Pops:
    """Everything for collectors that run apart; `run` works until cancelled, and does nothing while the bus is off."""

    def __init__(
        self,
        settings: BusSettings,
        folder: BusFolder | None,
        *,
        state: State,
        clock: Clock,
        picture: Picture,
        fault: FaultService,
        samples: Channel[SampleBatch],
        durable: Callable[[], int],
        credential: Callable[[str], SnmpCredential | None],
        login: Callable[[str], Mapping[str, str]],
        rules: Sequence[SiteRule],
    ) -> None:
        self.settings, self._folder, self._state, self._clock = settings, folder, state, clock
        self.picture, self._fault, self._samples, self._durable = picture, fault, samples, durable
        self._credential, self._login, self._rules = credential, login, rules
        self.registry = Registry(state, clock)
        self.rows: dict[str, Mapping[str, Any]] = {}  # the collectors that have enrolled and are not revoked
        self.beats = Beats(int(settings.blind_after_s * NS_PER_S), clock.now_ns())
        self._follower: Sees | None = None
        self._client: Client | None = None
        self._server: BusServer | None = None
        self._intakes: dict[str, Intake] = {}
        self._inventory = Inventory(state, clock, rules)
        self._found = 0
        self._key = os.urandom(16).hex()  # so that the digest of secrets tells nothing
        self._drawn: tuple[int, frozenset[str]] = (-1, frozenset())
        self._owner: dict[int, str] = {}
        self._own = Topology()
        self._shares: tuple[tuple[int, frozenset[str]], dict[str, Share]] = (self._drawn, {})
        self._may: dict[str, npt.NDArray[np.uint64]] = {}  # by collector: whose rows are taken from it

    # -- who polls what ---------------------------------------------------------------------------

    def own(self) -> Topology:
        """The part of the picture that the station polls itself; drawn anew with each version, not with each status."""
        topology = self.picture.current()
        if not topology.collectors and not topology.addresses_in:
            return topology
        self._draw(topology)
        return self._own

    def owner_of(self, device_no: int) -> str:
        """The id of the collector that polls a device, "" for the station itself."""
        topology = self.picture.current()
        if not topology.collectors:
            return ""
        self._draw(topology)
        return self._owner.get(device_no, "")

    def unseen(self) -> frozenset[int]:
        """The devices whose collector is not heard."""
        topology = self.picture.current()
        if not topology.collectors:
            return frozenset()
        self._draw(topology)
        alive = self.beats.alive(topology.collectors, self._clock.now_ns())
        return frozenset(no for no, key in self._owner.items() if key not in alive)

    def _draw(self, topology: Topology) -> None:
        alive = self.beats.alive(topology.collectors, self._clock.now_ns())
        if (topology.version, alive) == self._drawn:
            return
        self._drawn = (topology.version, alive)
        self._owner = owners(topology, alive)
        self._own = own(topology, self._owner)
        self._may = {key: np.array(sorted(found), np.uint64) for key, found in reachable(topology).items()}

    async def _share_of(self, key: str) -> Share:
        topology = self.picture.current()
        self._draw(topology)
        if self._shares[0] != self._drawn:
            drawn = self._drawn
            self._shares = drawn, await asyncio.to_thread(shares, topology, dict(self._owner))
        return self._shares[1].get(key, Share())

    # -- life ---------------------------------------------------------------------------------------

    async def run(self, follower: Sees) -> None:
        if self._folder is None or not self.settings.on:
            return
        self._follower = follower
        self.beats.since_ns = self._clock.now_ns()
        await self.refresh()
        async with BusServer(self._folder) as self._server:
            client = self._client = await connect(self._folder.login())
            try:
                await make_streams(client, self.settings.stream_mb << 20, self.settings.replicas)
                await client.subscribe("tl.beat.*", cb=self._answering(self._beat))
                await client.subscribe("tl.sync.*", cb=self._answering(self._sync))
                await client.subscribe(subjects.ENROL, cb=self._answering(self._enrol))
                await self._work(client)
            finally:
                self._client = None
                await close(client)

    async def _work(self, client: Client) -> None:
        await self._make_intakes()
        async with asyncio.TaskGroup() as tasks:
            for intake in self._intakes.values():
                tasks.create_task(intake.run(client))
            tasks.create_task(self._watch(client))
            tasks.create_task(self._settle())

    async def _make_intakes(self) -> None:
        """Each goes on behind what is durable."""
        window, aside = self.settings.window_blocks, self._folder.path / "refused" if self._folder else None
        places = {kind: await self.registry.places(kind) for kind in subjects.KINDS}
        async with self._state.read() as conn:
            for source, place in (await positions_of(conn, self._fault.tenant, "bus/")).items():
                _, collector, epoch = source.split("/")
                before = places[subjects.NOTICES].get((collector, epoch), 0)
                places[subjects.NOTICES][collector, epoch] = max(before, place)
        takes: dict[str, tuple[Callable[[Label, bytes], Awaitable[int]], Callable[[], int]]] = {
            subjects.SAMPLES: (self._take_samples, self._durable),
            subjects.NOTICES: (self._take_notices, lambda: 0),
        }
        for kind, (take, settled) in takes.items():
            self._intakes[kind] = Intake(kind, window, take, settled, self._saver(kind), places[kind], lambda key: key in self.rows, aside)

    def _saver(self, kind: str) -> Callable[[Mapping[tuple[str, str], int]], Awaitable[None]]:
        return lambda places: self.registry.save_places(kind, places)

    async def refresh(self) -> None:
        """Read the register again: who is new may come in, who is revoked is cut off."""
        rows = living(await self.registry.rows())
        gone, self.rows = self.rows.keys() - rows.keys(), rows
        for key in gone:
            cleared = Event(self._clock.now_ns(), key, BLIND_ALARM, "cleared", "the collector was revoked", source="pops")
            await self._fault.events.put((cleared,))
        await self.picture.reload()
        if self._folder is not None and self._folder.write_users((key, row["user_key"]) for key, row in self.rows.items()) and self._server:
            await self._server.reload()

    async def invite(self, scope: Scope, new: NewCollector) -> tuple[str, str]:
        """(id, invitation) of a new collector; RegistryError where there is no bus, or the name is taken."""
        scope.require(Role.ENGINEER, "adding a collector")
        if self._folder is None:
            raise RegistryError("This station has no bus for collectors: set [bus] listen or url.")
        key, token = await self.registry.add(scope, new)
        return key, invitation(self._folder.outward(), token)

    async def revoke(self, scope: Scope, key: str) -> bool:
        """Cut a collector off; False when there is no such living one."""
        done = await self.registry.revoke(scope, key)
        if done:
            await self.refresh()
        return done

    def state_of(self, row: Mapping[str, Any]) -> str:
        """invited | alive | blind | revoked."""
        if row["revoked_ns"]:
            return "revoked"
        if not row["user_key"]:
            return "invited"
        return "alive" if self.beats.is_alive(row["id"], self._clock.now_ns()) else "blind"

    # -- what collectors ask ----------------------------------------------------------------------------

    def _answering(self, act: Callable[[str, Any], Awaitable[Any]]) -> Callable[[Msg], Awaitable[None]]:
        async def answer(message: Msg) -> None:
            key = message.subject.split(".")[-1]
            try:
                await message.respond(packed(await act(key, unpacked(message.data))))
            except (BlockError, KeyError, TypeError, ValueError) as error:
                log.warning("a collector's question cannot be read", subject=message.subject, error=str(error)[:200])
            except nats.errors.Error as error:
                log.warning("a collector was not answered", subject=message.subject, error=str(error)[:200])

        return answer

    async def _enrol(self, _: str, said: Mapping[str, Any]) -> dict[str, Any]:
        try:
            row = await self.registry.enrol(said)
        except RegistryError as error:
            return {"refused": str(error)}
        await self.refresh()
        log.info("a collector enrolled", collector=row["name"])
        return {"id": row["id"], "name": row["name"], "vrf": row["vrf"]}

    async def _beat(self, key: str, said: Mapping[str, Any]) -> dict[str, Any]:
        row, beat = self.rows[key], Beat.model_validate(said)
        self.beats.hear(key, beat, self._clock.now_ns())
        share = await self._share_of(key)
        answer: dict[str, Any] = {"durable": {}, "wanted": {}, "targets": share.digest, "secrets": self._tag(row, share)}
        for kind, intake in self._intakes.items():
            place = key, beat.spools[kind].epoch
            answer["durable"][kind] = intake.durable.get(place, 0)
            if place in intake.wanted:
                answer["wanted"][kind] = intake.wanted.pop(place)
        return answer | {"ranges": json.loads(row["ranges"]), "credentials": json.loads(row["credentials"])}

    async def _sync(self, key: str, said: Mapping[str, Any]) -> dict[str, Any]:
        row, share = self.rows[key], await self._share_of(key)
        have = {int(no): digest for no, digest in said["have"].items()}
        other = [no for no, digest in share.digests.items() if have.get(no) != digest]
        now, entities = list[int](), 0
        for no in other[:SYNC_DEVICES_MAX]:
            entities += len(share.documents[no]["entities"]["key"])
            if now and entities > SYNC_ENTITIES_MAX:
                break
            now.append(no)
        answer: dict[str, Any] = {"gone": [no for no in have if no not in share.digests], "devices": [share.documents[no] for no in now]}
        tag = self._tag(row, share)
        if said["secrets"] != tag:
            sealed = seal(json.dumps(self._secrets(row, share)).encode(), bytes.fromhex(row["box_key"]))
            answer |= {"sealed": base64.b64encode(sealed).decode(), "tag": tag}
        return answer | {"more": len(now) < len(other)}

    def _secrets(self, row: Mapping[str, Any], share: Share) -> dict[str, Any]:
        """What the collector shows to its devices: by vault name."""
        names = dict.fromkeys([*json.loads(row["credentials"]), *share.credentials])
        found = {f"snmp/{name}": asdict(credential) for name in names if (credential := self._credential(name)) is not None}
        return found | {f"{LOGIN}{name}": dict(login) for name in names if (login := self._login(name))}

    def _tag(self, row: Mapping[str, Any], share: Share) -> str:
        return derived_id(self._key, json.dumps(self._secrets(row, share), sort_keys=True))[:16]

    # -- what collectors send ------------------------------------------------------------------------------

    async def _take_samples(self, label: Label, block: bytes) -> int:
        batch = await asyncio.to_thread(blocks.decode, block)
        self._draw(self.picture.current())
        batch = _of(batch, self._may.get(label.collector), subjects.SAMPLES)
        if not len(batch):
            return 0
        recent = batch.time_ns >= self._clock.now_ns() - int(self.settings.late_after_s * NS_PER_S)
        LATE.inc(int(len(batch) - recent.sum()))
        if recent.any() and self._follower is not None:
            await self._follower.see(batch if recent.all() else batch.take(recent))
        return await self._samples.put(batch)

    async def _take_notices(self, label: Label, block: bytes) -> int:
        said = unpacked(block)
        if isinstance(said, dict) and "facts" in said:
            await self._take_facts(label.collector, said["facts"])
            return 0
        self._draw(self.picture.current())
        theirs = self._may.get(label.collector)
        known = frozenset() if theirs is None else frozenset(theirs.tolist())
        heard = [self._own_word(one, known) for one in notices.messages(said)]
        await self._fault.hear(heard, position=(f"bus/{label.collector}/{label.epoch}", label.sequence))
        return 0

    def _own_word(self, said: Notification, known: Collection[int]) -> Notification:
        """A message as its collector may say it: of a device of its own, or of nobody known."""
        if not said.device or said.device in known:
            return said
        FOREIGN.labels(subjects.NOTICES).inc()
        return replace(said, device=0)

    async def _take_facts(self, key: str, document: Any) -> None:
        row = self.rows[key]
        try:
            facts = replace(facts_of(document), vrf=row["vrf"])
        except ValueError as error:
            raise BlockError(str(error)) from error
        if row["site"] and place_of(facts, self._rules) is None:
            facts = replace(facts, sys_location=row["site"])
        self._found += (await self._inventory.take(STATION, facts)).changed

    async def _settle(self) -> None:
        """Draw the picture anew when collectors found something."""
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            if self._found:
                self._found = 0
                await settle(self._state, STATION, self.picture, self._clock.now_ns())

    # -- looks that the station asks for -----------------------------------------------------------------------

    async def poll(self, device_no: int) -> bool:
        """Have a device polled now by its collector; whether it answered."""
        return bool(await self._ask(device_no, {"do": "poll"}))

    async def look_at(self, device_no: int, ports: Sequence[int], protocols: Collection[str]) -> Proof | None:
        """How these interfaces and sessions stand, as the device's collector sees it; None without an answer."""
        found = await self._ask(device_no, {"do": "look", "ports": list(ports), "protocols": sorted(protocols)})
        return Proof.of(found) if found else None

    async def _ask(self, device_no: int, asked: dict[str, Any]) -> Any:
        if self._client is None:
            return None
        to = subjects.subject("ask", self.owner_of(device_no))
        try:
            return unpacked((await self._client.request(to, packed(asked | {"device": device_no}), timeout=ASK_S)).data)
        except (nats.errors.Error, OSError, TimeoutError, BlockError):
            return None

    # -- blindness ----------------------------------------------------------------------------------------------

    async def _watch(self, client: Client) -> None:
        while not client.is_closed:
            if living(await self.registry.rows()) != self.rows:  # a command may have changed the register
                await self.refresh()
            now_ns = self._clock.now_ns()
            for key, what in self.beats.changes(self.rows, now_ns):
                await self._tell(key, what, now_ns)
            alive = self.beats.alive(self.rows, now_ns)
            COLLECTORS.labels("alive").set(len(alive))
            COLLECTORS.labels("blind").set(len(self.rows) - len(alive))
            await asyncio.sleep(LOOK_EVERY_S)
        raise ConnectionError("the bus sent the station away")

    async def _tell(self, key: str, what: str, now_ns: int) -> None:
        """One alarm for the collector; what it alone sees is unknown, and not down."""
        topology = self.picture.current()
        self._draw(topology)
        devices = [topology.devices[no] for no, owner in self._owner.items() if owner == key and no in topology.devices]
        name = self.rows[key]["name"]
        if what == BLIND:
            for device in devices:
                await self.picture.set_device_status(device.no, "unknown", 0)
            names = ", ".join(device.name for device in devices[:NAMED_MAX])
            more = f" and {len(devices) - NAMED_MAX} more" if len(devices) > NAMED_MAX else ""
            text = f"the collector {name} is not heard; {len(devices)} devices cannot be seen" + (f": {names}{more}" if names else "")
        else:
            text = f"the collector {name} is heard"
        severity = "critical" if what == BLIND else "cleared"
        said = {"collector": name, "devices": str(len(devices))}
        await self._fault.events.put((Event(now_ns, key, BLIND_ALARM, severity, text, source="pops", fields=said),))


def _of(batch: SampleBatch, devices: Any, kind: str) -> SampleBatch:
    """The batch without the rows of other devices than these."""
    theirs = np.isin(devices_of(batch.series), devices) if devices is not None else np.zeros(len(batch), np.bool_)
    if theirs.all():
        return batch
    FOREIGN.labels(kind).inc(int(len(batch) - theirs.sum()))
    return batch.take(theirs)
