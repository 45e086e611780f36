"""The station, wired: build, connect, run. Every stage meets the others here and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
from fastapi import APIRouter

import billing_bridge.api
import billing_bridge.tmf635
import fault.api
import fault.checks.api
import fault.foreign
import fault.health_api
import fault.json_in
import fault.learning.api
import fault.maintenance.api
import fault.notices.api
import fault.notify.ack_api
import fault.notify.api
import fault.notify.plan_api
import fault.notify.replies_api
import fault.reports_api
import fault.status_page
import fault.timeline_api
import fault.tmf642
import fault.tmf656
import inventory.api
import perf.api
import perf.capacity_api
import perf.export_api
import perf.heat_api
import perf.incoming.api
import perf.kpi_api
import perf.measurements.tmf628
import perf.rules_api
import perf.sla.api
import perf.sla.tmf657
import perf.trends_api
import station.apart.api
from billing_bridge import sessions
from billing_bridge.flow_meter import StoredFlows
from billing_bridge.meter import Meter
from billing_bridge.sessions import SessionReport
from bss.billing import Biller
from bss.business import Business
from bss.tariffs import Tariffs
from collectors import flow_api
from collectors.facts import look
from collectors.flow_query import FlowStore
from collectors.flow_spool import FlowSpool
from collectors.inputs import snmp
from collectors.inputs.flow import Flow
from collectors.inputs.gnmi import Gnmi
from collectors.inputs.mqtt import Mqtt
from collectors.inputs.netconf import Netconf
from collectors.inputs.probes import Probes
from collectors.inputs.radius import Accounting, Radius, Status
from collectors.inputs.syslog import Syslog
from collectors.inputs.traps import Receiver
from collectors.mibs import site_mibs
from collectors.pings import who_answers
from collectors.proof import Proof, look_at
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.poller import Poller
from collectors.snmp.profiles import shipped_profiles
from dashboards import freshness
from dashboards.server import WebParts, create_app
from fault.checks.runner import FirstChecks
from fault.correlation.engine import Engine as Correlation
from fault.learning.decisions import Causes
from fault.learning.explained import Explained
from fault.notices.desk import Desk
from fault.notices.texts import load_texts
from fault.notify.outbox import Notifier
from fault.outages import down_types, outages
from fault.report_mail import MonthlyReport
from fault.rules import Rules, load_rules
from fault.runbooks import load_runbooks
from fault.service import FaultService
from inventory.discovery import Discovery
from inventory.facts import DeviceFacts, NoAnswer
from inventory.impact import impact
from inventory.picture import Picture
from inventory.routes import next_hops
from perf.foresight import Foresight
from perf.incoming.intake import Intake
from perf.incoming.places import Places
from perf.measurements.runner import Measurements
from perf.pipeline import Pipeline
from perf.remote_write import RemoteWrite
from perf.sla.levels import Levels
from perf.sla.slots import StoredSlots
from perf.sla.terms import shipped
from perf.store import TelemetryStore
from perf.totals import Totals
from perf.usual import Unusual
from perf.visible import visible
from station import __version__
from station.apart.pops import Pops
from station.batch import SampleBatch
from station.bus.server import BusFolder
from station.channel import Channel
from station.clock import Clock, SystemClock
from station.colours import Colours
from station.config import StationSettings
from station.data import data_dir
from station.first_look import FirstLook
from station.follow import UP, Follower
from station.hub import Hub
from station.journal import Journal
from station.lean import settle
from station.lifecycle import keep, stop_on_signals
from station.loop_lag import watch
from station.migrate import migrate
from station.scope import STATION
from station.security import Security
from station.security.targets import Guard
from station.security.vault import LOGIN, SNMP, Vault, load_key
from station.serve import Server, listener
from station.state import State
from station.steady import steady
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.supervisor import OwnerProcess
from station.tmf.hub import Deliveries

log = structlog.get_logger("station")

SECRETS_EVERY_S: Final = 10.0
BATCHES_MAX: Final = 256
TELEMETRY_URL: Final = "telemetry.url"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: the settings, where to keep things, and what a demo adds."""

    settings: StationSettings
    folder: Path
    environ: Mapping[str, str]
    simulated: bool = False
    clock: Clock = field(default_factory=SystemClock)
    guest: "Guest | None" = None


class Guest(Protocol):
    """What a demo adds to a station: made before it runs, beside it while it does."""

    async def enter(self, station: "Station") -> None:
        """The stages are made and nothing runs yet."""
        ...

    def routers(self) -> Sequence[APIRouter]: ...

    def work(self) -> Sequence[Coroutine[Any, Any, None]]: ...

    async def link(self, base_url: str) -> str:
        """Where the person goes first."""
        ...


class Ground:
    """What everything stands on: the state store, who may come in, secrets, and the picture of the network."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.settings, self.clock, self.hub = plan, plan.settings, plan.clock, Hub()
        self.state = State(plan.settings.state_url(plan.folder))
        self.security = Security(self.state, plan.clock)
        self.vault = Vault(self.state, load_key(plan.folder, plan.environ), plan.clock)
        self.picture = Picture(self.state, self.hub, station_devices=plan.settings.inventory.station_devices, next_hops=next_hops)
        self.secrets: dict[str, dict[str, Any]] = {}

    async def open(self) -> None:
        await migrate(self.state)
        await self._take_community()
        await self.load_secrets()
        await self.picture.reload()

    async def load_secrets(self) -> None:
        """What collectors show to devices, in memory only."""
        names = [row["name"] for row in await self.vault.list(STATION)]
        wanted = [name for name in names if name.startswith((SNMP, LOGIN))]
        self.secrets = {name: await self.vault.get_json(STATION, name) or {} for name in wanted}

    async def keep_secrets(self) -> None:
        """Look again every few seconds: a command may have put a new one into the vault."""
        while True:
            await asyncio.sleep(SECRETS_EVERY_S)
            await self.load_secrets()

    def login(self, name: str) -> dict[str, str]:
        """Name and password of a gNMI, MQTT or NETCONF login; empty when the vault has none."""
        return {key: str(value) for key, value in self.secrets.get(f"{LOGIN}{name}", {}).items()}

    def credential(self, name: str) -> SnmpCredential | None:
        """The SNMP credential of this name: the vault's, else the settings'; None when neither has one."""
        stored = self.secrets.get(f"{SNMP}{name}")
        return SnmpCredential(**{**stored, "name": name}) if stored else self.settings.snmp.known().get(name)

    def credentials(self) -> list[SnmpCredential]:
        """Those that discovery tries: as listed under [inventory], then the rest of the settings'."""
        names = dict.fromkeys((*self.settings.inventory.credentials, *self.settings.snmp.known()))
        return [found for name in names if (found := self.credential(name)) is not None]

    async def _take_community(self) -> None:
        file = self.settings.inventory.community_file
        if file:
            community = await asyncio.to_thread(lambda: Path(file).read_text().strip())
            await self.vault.put_json(STATION, f"{SNMP}default", {"version": "2c", "community": community})


class Station:
    """One station on an open ground and an open telemetry store: stages made inert here, run by `run`."""

    def __init__(self, ground: Ground, client: TelemetryClient) -> None:
        self.ground, self.client = ground, client
        settings, clock, topology = ground.settings, ground.clock, ground.picture.current
        self.polled: Channel[SampleBatch] = Channel("polled", BATCHES_MAX)
        self.streamed: Channel[SampleBatch] = Channel("streamed", BATCHES_MAX)
        self.samples: Channel[SampleBatch] = Channel("samples", BATCHES_MAX)
        self.guard = guard = Guard(settings.notify.allow)
        self.notifier = Notifier(ground.state, guard, clock, settings.notify, ground.vault, ground.hub, simulated=ground.plan.simulated)
        correlator = Explained(Correlation(poll_s=settings.snmp.unreachable_after * settings.snmp.interval_s))
        self.causes = Causes(ground.state, clock, correlator.take_causes)
        self.fault = FaultService(
            ground.state,
            topology,
            ground.hub,
            clock,
            settings.fault,
            correlator,
            interpreter=Rules(load_rules()),
            announcer=self.notifier,
            verify=self.verify,
        )
        self.checks = FirstChecks(self.fault, FirstLook(clock, self.look_at, simulated=ground.plan.simulated))
        self.runbooks = load_runbooks(settings.fault.runbooks)
        self.notices = Desk(self.fault, self.notifier, load_texts(settings.fault.notices))
        heard = self.fault.notifications
        self.pipeline = Pipeline(
            client=client,
            journal=Journal(ground.plan.folder / "journal" / "perf", settings.perf.journal_mb << 20),
            clock=clock,
            topology=topology,
            samples=self.samples,
            events=self.fault.events,
            settings=settings.perf,
            folder=ground.plan.folder,
            unseen=lambda: self.pops.unseen(),  # noqa: PLW0108 - it is made below
        )
        self._add_questions()
        self.engine = Engine()
        self.profiles = shipped_profiles()
        self.pops = self._pops()
        self.poller = Poller(
            settings.snmp,
            topology=self.pops.own,
            credential_of=ground.credential,
            profiles=self.profiles,
            samples=self.polled,
            notifications=heard,
            clock=clock,
        )
        echoes = partial(who_answers, clock)
        self.discovery = Discovery(ground.state, ground.picture, ground.hub, clock, self.look, settings.inventory, echoes)
        again = self.discovery.look_again
        self.follower = Follower(ground.picture, self.fault, clock, look_at=self.look_at, poll=self.poll, look_again=again)
        self.traps: Receiver | None = None
        self._add_streams()
        self._add_money()

    def _add_money(self) -> None:
        """From usage to invoices, balances and what happens to those who do not pay."""
        ground, settings, clock = self.ground, self.ground.settings, self.ground.clock
        self.meter = Meter(ground.state, STATION, self.telemetry, settings.billing)
        self.biller = Biller(
            ground.state, Tariffs(data_dir("config") / "tariffs"), settings.bss, settings.billing, simulated=ground.plan.simulated
        )
        self.business = Business.of(self.biller, settings.notify.smtp, self.guard, ground.login, clock, self._out_of_service)

    def _out_of_service(self) -> Collection[str]:
        """The customers of whom a service is out now, by the alarms that say their resource carries nothing."""
        down = self.fault.open_resources(down_types())
        return {customer.id for customer in impact(self.ground.picture.current(), down).customers}

    def _pops(self) -> Pops:
        """What the station has for collectors that run apart; without a bus it is never asked."""
        ground, settings = self.ground, self.ground.settings
        return Pops(
            settings.bus,
            BusFolder(ground.plan.folder, settings.bus) if settings.bus.on else None,
            state=ground.state,
            clock=ground.clock,
            picture=ground.picture,
            fault=self.fault,
            samples=self.samples,
            durable=lambda: self.pipeline.durable,
            credential=ground.credential,
            login=ground.login,
            rules=settings.inventory.site_rules,
        )

    def _planned(self, service_id: str, from_ns: int, to_ns: int) -> Sequence[tuple[int, int]]:
        """Planned work on a service that does not count for its level."""
        return self.fault.maintenance.excluded(service_id, self.fault.resources, from_ns, to_ns)

    def _add_questions(self) -> None:
        """What reads the samples that the pipeline has stored."""
        ground, client, names, clock = self.ground, self.client, self.pipeline.names, self.ground.clock
        settings, topology = ground.settings.perf, ground.picture.current
        self.telemetry = TelemetryStore(client, names)
        self.foresight = Foresight(self.telemetry, names, clock, self.fault.events, settings.trends_hours * 3600)
        self.unusual = Unusual(self.telemetry, names, self.pipeline.thresholds, clock, self.fault.events, settings)
        self.remote_write = RemoteWrite(settings.remote_write, self.pipeline.last, names, ground.login)
        self.incoming = Intake(Places(names), self.samples, lambda: self.pipeline.durable)
        self.totals = Totals(self.pipeline, self.telemetry, clock)
        self.measurements = Measurements(ground.state, self.telemetry, topology, clock, STATION, ground.plan.folder / "measurements")
        slots = StoredSlots(client)
        self.levels = Levels(ground.state, self.telemetry, slots, shipped(), clock, outages=outages, planned=self._planned)

    def _add_streams(self) -> None:
        """Everything that speaks by itself, beside traps."""
        ground, settings, heard = self.ground, self.ground.settings, self.fault.notifications
        clock, topology = ground.clock, ground.picture.current
        self.syslog = Syslog(settings.syslog, topology, clock, heard)
        flows = FlowSpool(Journal(ground.plan.folder / "journal" / "flow", settings.flow.journal_mb << 20), self.client.insert_stream)
        self.flow = Flow(settings.flow, topology, clock, flows)
        self.gnmi = Gnmi(settings.gnmi, topology, clock, ground.login, self.streamed)
        spool = Journal(ground.plan.folder / "journal" / "mqtt", settings.mqtt.journal_mb << 20)
        self.mqtt = Mqtt(settings.mqtt, topology, clock, ground.login, self.samples, heard, spool, lambda: self.pipeline.durable)
        self.netconf = Netconf(settings.netconf, topology, clock, ground.login, self.streamed, heard)
        self.probes = Probes(settings.probes, topology, clock, self.streamed, heard)
        self.radius = Radius(settings.radius, clock, ground.login, self._take_sessions)

    async def look(self, address: str) -> DeviceFacts | NoAnswer:
        return await look(self.engine, address, self.ground.settings.inventory.port, self.ground.credentials(), self.profiles)

    async def verify(self, device_no: int) -> frozenset[str] | None:
        """A poll now, asked for by a message that proves nothing; what it finds raises or clears for good."""
        return await self.follower.prove(device_no)

    async def poll(self, device_no: int) -> bool:
        """Poll one device now, by whoever polls it; whether it answered."""
        return await (self.pops.poll(device_no) if self.pops.owner_of(device_no) else self.poller.poll_now(device_no))

    async def look_at(self, device_no: int, ports: Sequence[int], protocols: Collection[str]) -> Proof | None:
        """Ask one device how these interfaces and sessions stand; None without an answer."""
        if self.pops.owner_of(device_no):
            return await self.pops.look_at(device_no, ports, protocols)
        device = self.ground.picture.current().devices.get(device_no)
        credential = self.ground.credential(device.credential) if device else None
        if device is None or credential is None:
            return None
        limits = self.profiles.named(device.profile).client_limits()
        return await look_at(SnmpClient(self.engine, device.management_address, device.snmp_port, credential, limits), ports, protocols)

    async def _take_sessions(self, said: Sequence[Accounting]) -> None:
        """Session accounting becomes usage of the service its attribute names, durable on return."""
        settings, named = self.ground.settings, self.ground.settings.radius.service_attribute
        reports = [
            SessionReport(
                nas=one.nas,
                session=one.session if one.of_session else "",
                service=one.names.get(named, ""),
                time_ns=one.time_ns,
                in_octets=one.in_octets,
                out_octets=one.out_octets,
                seconds=one.seconds,
                starts=one.status == Status.START,
                stops=one.status == Status.STOP,
            )
            for one in said
        ]
        await sessions.take(self.ground.state, STATION, reports, settings.billing, self.ground.clock.now_ns())

    async def hear_traps(self) -> None:
        """Until cancelled; all names of all MIB modules are read first, beside the rest of the start."""
        if self.traps is None:
            ground = self.ground
            mibs = await asyncio.to_thread(site_mibs, ground.plan.folder / "mibs")
            heard, topology = self.fault.notifications, ground.picture.current
            self.traps = Receiver(ground.settings.traps, topology=topology, mibs=mibs, out=heard, clock=ground.clock)
        await self.traps.run()

    async def run(self) -> None:
        """Everything at once, until cancelled."""
        ground = self.ground
        await self.causes.load()
        await self.fault.load()
        self.pipeline.thresholds.restore(self._raised())
        self.foresight.restore(self._raised())
        self.pipeline.thresholds.arm(entity.key for entity in ground.picture.current().entities.values() if entity.oper_status == UP)
        parts: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "clock": lambda: steady(ground.clock),
            "loop": watch,
            "secrets": ground.keep_secrets,
            "picture": ground.picture.run,
            "pipeline": self.pipeline.run,
            "trends": self.foresight.run,
            "unusual": self.unusual.run,
            "remote write": self.remote_write.run,
            "fault": self.fault.run,
            "causes": self.causes.run,
            "first checks": self.checks.run,
            "fault report": MonthlyReport(self.fault, self.notifier, simulated=ground.plan.simulated).run,
            "notify": self.notifier.run,
            "tmf": Deliveries(ground.state, self.guard, ground.clock).run,
            "snmp": lambda: snmp.run(self.poller, ground.plan.folder / "cache"),
            "follow": lambda: self.follower.pass_on(self.polled, lambda: self.gnmi.covered | self.netconf.covered, self.samples),
            "follow streams": lambda: self.follower.pass_on(self.streamed, frozenset, self.samples),
            "traps": self.hear_traps,
            "syslog": self.syslog.run,
            "flow": self.flow.run,
            "gnmi": self.gnmi.run,
            "mqtt": self.mqtt.run,
            "netconf": self.netconf.run,
            "probes": self.probes.run,
            "radius": self.radius.run,
            "discovery": self.discovery.run,
            "collectors": lambda: self.pops.run(self.follower),
            "measurements": self.measurements.run,
            **self.business.works(),
            "meter": lambda: self.meter.run(ground.clock),
            "freshness": lambda: freshness.publish(self.totals, ground.hub),
        }
        async with asyncio.TaskGroup() as tasks:
            for name, work in parts.items():
                tasks.create_task(keep(name, work), name=name)

    def _raised(self) -> list[tuple[int, str, str]]:
        """Open alarms as thresholds know them: (entity key, alarm type, qualifier)."""
        key_of = self.pipeline.names.key_of
        active = [alarm for alarm in self.fault.book.alarms.values() if not alarm.is_cleared]
        found = [(key_of(alarm.resource), alarm.alarm_type, alarm.qualifier) for alarm in active]
        return [(key, kind, qualifier) for key, kind, qualifier in found if key is not None]

    def routers(self) -> list[APIRouter]:
        """Every domain's own API."""
        ground, clock = self.ground, self.ground.clock
        colours = Colours(self.fault, self.pipeline, ground.hub)
        return [
            fault.api.router(self.fault),
            fault.maintenance.api.router(self.fault),
            fault.foreign.router(self.fault),
            fault.json_in.router(self.fault),
            fault.tmf642.router(self.fault, self.guard),
            fault.tmf656.router(self.fault, self.guard),
            fault.timeline_api.router(self.fault),
            fault.health_api.router(self.fault),
            fault.reports_api.router(self.fault, self.notifier.plans.teams, simulated=ground.plan.simulated),
            fault.checks.api.router(self.fault, self.checks, self.runbooks),
            fault.learning.api.router(self.causes, ground.picture.current),
            fault.status_page.router(self.fault),
            fault.notices.api.router(self.notices),
            fault.notify.api.router(self.notifier),
            fault.notify.plan_api.router(self.notifier),
            fault.notify.ack_api.router(self.notifier, self.fault),
            fault.notify.replies_api.router(self.notifier, self.fault, lambda: ground.login("replies").get("password", "")),
            inventory.api.router(ground.picture, self.discovery, severity=colours.severity, utilisation=colours.utilisation),
            perf.api.router(self.pipeline, self.telemetry, self.totals),
            perf.api.metrics_router(self.pipeline),
            perf.sla.api.router(self.levels, ground.state, clock),
            perf.measurements.tmf628.router(ground.state, self.guard, clock),
            self.measurements.router(),
            perf.sla.tmf657.router(ground.state, self.levels.slas, self.guard, clock),
            perf.rules_api.router(self.pipeline, self.telemetry),
            perf.kpi_api.router(self.pipeline.names, self.telemetry),
            perf.heat_api.router(self.pipeline.names, self.telemetry),
            perf.incoming.api.router(self.incoming, self.pipeline.names),
            perf.trends_api.router(self.foresight, self.telemetry, self.pipeline.names),
            flow_api.router(self.flow, FlowStore(self.client), ground.picture.current, visible),
            perf.export_api.router(self.client, self.pipeline.names),
            station.apart.api.router(self.pops),
            perf.capacity_api.router(self.pipeline.names, self.telemetry, self.totals),
            billing_bridge.api.router(ground.state, clock, StoredFlows(FlowStore(self.client))),
            billing_bridge.tmf635.router(ground.state, ground.settings.billing, self.guard, clock),
            *self.business.routers(self.telemetry, self.fault, self.levels, ground.picture.reload),
        ]

    async def components(self) -> Mapping[str, Mapping[str, Any]]:
        """For /health/ready: what must work for the station to be of use."""
        return {"telemetry": {"ok": await self.client.ready()}, "devices": {"ok": True, "n": len(self.ground.picture.current().devices)}}


@asynccontextmanager
async def telemetry(plan: Plan) -> AsyncIterator[TelemetryClient]:
    """The telemetry store with its tables: the cluster that the settings name, else an owner process of our own."""
    settings = plan.settings.telemetry
    if settings.url:
        async with _client(settings.url, plan) as client:
            yield client
        return
    async with OwnerProcess(plan.folder / "telemetry", memory_mb=settings.memory_mb) as owner:
        published = plan.folder / TELEMETRY_URL
        published.touch(mode=0o600)
        published.write_text(owner.url)
        try:
            async with _client(owner.url, plan) as client:
                yield client
        finally:
            published.unlink(missing_ok=True)


@asynccontextmanager
async def _client(url: str, plan: Plan) -> AsyncIterator[TelemetryClient]:
    client = TelemetryClient(url, query_timeout_s=plan.settings.telemetry.query_timeout_s)
    try:
        await schema.create(client, plan.settings.telemetry)
        yield client
    finally:
        await client.close()


def web_parts(station: "Station", extra: Sequence[APIRouter]) -> WebParts:
    """The HTTP side: each domain's own routers."""
    ground = station.ground
    return WebParts(
        security=ground.security,
        hub=ground.hub,
        settings=ground.settings.web,
        routers=[*station.routers(), *extra],
        version=__version__,
        simulated=ground.plan.simulated,
        components=station.components,
    )


async def first_link(ground: Ground, base_url: str) -> str:
    """The first administrator's one-time link while there is none, else where to sign in."""
    return base_url if await ground.security.has_users() else await ground.security.make_first_link(base_url)


async def run_station(plan: Plan, announce: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM; `announce` gets the link once the console answers."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    ground, guest = Ground(plan), plan.guest
    with listener(plan.settings.web) as sock:
        base_url = f"http://{plan.settings.web.host}:{sock.getsockname()[1]}"
        async with AsyncExitStack() as open_until_stopped:
            # The store owner is a process: it starts while the schema is looked at.
            client, _ = await asyncio.gather(open_until_stopped.enter_async_context(telemetry(plan)), ground.open())
            station = Station(ground, client)
            if guest is not None:
                await guest.enter(station)
            server = Server(create_app(web_parts(station, guest.routers() if guest else ())))

            told = asyncio.Event()

            async def tell() -> None:
                await server.ready.wait()
                announce(await (guest.link(base_url) if guest else first_link(ground, base_url)))
                settle()
                told.set()

            async def work() -> None:
                await told.wait()  # the person waits for the link, nobody yet for the first poll
                await station.run()

            await until(stop, work(), server.serve_on(sock), tell(), *(guest.work() if guest else ()))
    await ground.state.close()


async def until(stop: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until `stop` is set; then everything is cancelled and cleans up. An error of any ends all."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in work]
        await stop.wait()
        for task in running:
            task.cancel()
