"""The collector, wired: inputs over its own part of the picture, spools behind them, and the bus outwards."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import prometheus_client
import structlog

from collectors.facts import look
from collectors.inputs import snmp
from collectors.inputs.gnmi import Gnmi
from collectors.inputs.mqtt import Mqtt
from collectors.inputs.netconf import Netconf
from collectors.inputs.probes import Probes
from collectors.inputs.syslog import Syslog
from collectors.inputs.traps import Receiver
from collectors.mibs import site_mibs
from collectors.preference import without_covered
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.poller import Poller
from collectors.snmp.profiles import shipped_profiles
from inventory.facts import DeviceFacts, NoAnswer
from station.apart.contact import Contact
from station.apart.identity import Identity
from station.apart.sweep import Sweep
from station.apart.targets import Targets
from station.batch import Notification, SampleBatch
from station.bus import blocks, notices, subjects
from station.bus.link import close, connect, publish
from station.bus.spool import Spool
from station.channel import Channel
from station.clock import NS_PER_S, Clock, SystemClock
from station.config import StationSettings
from station.journal import Journal
from station.lifecycle import keep, stop_on_signals
from station.loop_lag import watch
from station.metrics import REGISTRY
from station.steady import steady

BATCHES_MAX: Final = 256
log = structlog.get_logger("collector")


class Collector:
    """One collector: stages made inert here, run by `run`."""

    def __init__(self, identity: Identity, settings: StationSettings, folder: Path, clock: Clock | None = None) -> None:
        self.identity, self.settings, self.folder = identity, settings, folder
        self.clock = clock or SystemClock()
        self.targets = Targets(folder, identity.keys)
        self.polled: Channel[SampleBatch] = Channel("polled", BATCHES_MAX)
        self.streamed: Channel[SampleBatch] = Channel("streamed", BATCHES_MAX)
        self.heard: Channel[tuple[Notification, ...]] = Channel("heard", BATCHES_MAX)
        limits = {subjects.SAMPLES: settings.spool.samples_mb, subjects.NOTICES: settings.spool.notices_mb}
        self.spools = {kind: Spool(kind, folder / "spool", limit << 20, settings.spool, self.clock) for kind, limit in limits.items()}
        self.engine, self.profiles = Engine(), shipped_profiles()
        topology = self.targets.topology
        self.poller = Poller(
            settings.snmp,
            topology=topology,
            credential_of=self.credential,
            profiles=self.profiles,
            samples=self.polled,
            notifications=self.heard,
            clock=self.clock,
        )
        self.syslog = Syslog(settings.syslog, topology, self.clock, self.heard)
        self.gnmi = Gnmi(settings.gnmi, topology, self.clock, self.targets.login, self.streamed)
        self.netconf = Netconf(settings.netconf, topology, self.clock, self.targets.login, self.streamed, self.heard)
        messages = Journal(folder / "journal" / "mqtt", settings.mqtt.journal_mb << 20)
        self._kept = 0  # so many batches of the streamed channel are durable
        self.mqtt = Mqtt(settings.mqtt, topology, self.clock, self.targets.login, self.streamed, self.heard, messages, lambda: self._kept)
        self.probes = Probes(settings.probes, topology, self.clock, self.streamed, self.heard)
        self.contact = Contact(identity.id, self.targets, self.spools, self.poller, self.engine, self.profiles)
        inventory = settings.inventory
        self.sweep = Sweep(
            self.look,
            self._tell_facts,
            lambda: self.targets.ranges,
            lambda: [one.management_address for one in topology().devices.values()],
            at_once=inventory.looks_at_once,
            timeout_s=inventory.look_timeout_s,
            again_s=inventory.rediscover_s,
        )

    def credential(self, name: str) -> SnmpCredential | None:
        """The station's, else that of the collector's own settings."""
        return self.targets.credential(name) or self.settings.snmp.known().get(name)

    async def look(self, address: str) -> DeviceFacts | NoAnswer:
        tried = self.targets.credentials() or list(self.settings.snmp.known().values())
        return await look(self.engine, address, self.settings.inventory.port, tried, self.profiles)

    async def run(self) -> None:
        """Everything at once, until cancelled; what is heard is kept whether the station can be reached or not."""
        parts: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "clock": lambda: steady(self.clock),
            "loop": watch,
            "snmp": lambda: snmp.run(self.poller, self.folder / "cache"),
            "traps": self._hear_traps,
            "syslog": self.syslog.run,
            "gnmi": self.gnmi.run,
            "netconf": self.netconf.run,
            "mqtt": self.mqtt.run,
            "probes": self.probes.run,
            "discovery": self.sweep.run,
            "keep polled": lambda: self._keep_samples(self.polled, lambda: self.gnmi.covered | self.netconf.covered),
            "keep streamed": lambda: self._keep_samples(self.streamed, frozenset),
            "keep heard": self._keep_notices,
            "station": self._talk,
        }
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, work in parts.items():
                    tasks.create_task(keep(name, work), name=name)
        finally:
            for spool in self.spools.values():
                spool.close()

    async def _talk(self) -> None:
        client = await connect(self.identity.login)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.contact.run(client, self.clock))
                for kind, spool in self.spools.items():
                    tasks.create_task(publish(lambda: client, spool, kind, self.identity.id))
        finally:
            await close(client)

    async def _hear_traps(self) -> None:
        mibs = await asyncio.to_thread(site_mibs, self.folder / "mibs")
        topology, settings = self.targets.topology, self.settings.traps
        await Receiver(settings, topology=topology, mibs=mibs, out=self.heard, clock=self.clock).run()

    async def _keep_samples(self, channel: Channel[SampleBatch], covered: Callable[[], frozenset[int]]) -> None:
        """Gather batches for a moment or a block, and keep them."""
        settings = self.settings.spool
        while True:
            gathered = [await channel.get()]
            due_ns = self.clock.monotonic_ns() + settings.flush_ms * 1_000_000
            while sum(map(len, gathered)) < settings.block_rows and (left_ns := due_ns - self.clock.monotonic_ns()) > 0:
                try:
                    async with asyncio.timeout(left_ns / NS_PER_S):
                        gathered.append(await channel.get())
                except TimeoutError:
                    break
            taken = channel.taken
            batch = without_covered(SampleBatch.concat(gathered), covered())
            if len(batch):
                parts = await asyncio.to_thread(blocks.encode_all, batch)
                await self.spools[subjects.SAMPLES].put([(int(part.time_ns.max()), len(part), block) for part, block in parts])
            if channel is self.streamed:
                self._kept = taken

    async def _keep_notices(self) -> None:
        while True:
            said = list(await self.heard.get())
            while len(self.heard) and len(said) < self.settings.spool.block_rows:
                said += await self.heard.get()
            await self.spools[subjects.NOTICES].put([(said[-1].time_ns, len(said), notices.encode(said))])

    async def _tell_facts(self, facts: DeviceFacts) -> None:
        block = await asyncio.to_thread(notices.packed, {"facts": asdict(facts)})
        await self.spools[subjects.NOTICES].put([(self.clock.now_ns(), 1, block)])


async def run_collector(identity: Identity, settings: StationSettings, folder: Path, announce: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    collector = Collector(identity, settings, folder)
    if settings.spool.metrics_port:
        prometheus_client.start_http_server(settings.spool.metrics_port, settings.spool.metrics_address, registry=REGISTRY)
    announce(f"Collector {identity.name} runs; its station is at {identity.url}")
    running = asyncio.create_task(collector.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in (running, stopping):
        task.cancel()
    await asyncio.gather(running, stopping, return_exceptions=True)
