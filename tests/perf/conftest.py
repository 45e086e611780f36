"""A station in small: two devices, a real chDB owner, a journal on disk and a clock that stands where a test puts it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from inventory.topology import Customer, Device, Entity, Service, Site, Topology
from perf.pipeline import Pipeline
from perf.settings import PerfSettings
from perf.store import TelemetryStore
from station.batch import Event, SampleBatch
from station.channel import Channel
from station.clock import VirtualClock
from station.journal import Journal
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess

S = 1_000_000_000
HOUR = 3_600 * S
GIGABIT = 1_000_000_000
METERED, PLAIN, SENSOR = 1 << 16 | 1, 1 << 16 | 2, 2 << 16 | 5


def topology() -> Topology:
    sites = {"s1": Site("s1", "Hamburg-01", "north"), "s2": Site("s2", "Berlin-01", "east")}
    devices = {
        1: Device(1, "dev-1", "ham-core-1", "s1", "127.64.0.1", vendor="Acme", role="core"),
        2: Device(2, "dev-2", "ber-core-1", "s2", "127.64.0.2", vendor="Acme", role="core"),
    }
    entities = {
        METERED: Entity(METERED, "if-1", "interface", "xe-0/0/1", alias='to "Berlin"\n\\', descr="10GE", if_index=501, speed_bps=GIGABIT),
        PLAIN: Entity(PLAIN, "if-2", "interface", "xe-0/0/2", if_index=502, speed_bps=GIGABIT),
        SENSOR: Entity(SENSOR, "sensor-5", "sensor", "inlet", metric=64),
    }
    customer = Customer("c1", "10001", "Nordlicht GmbH")
    service = Service("v1", "S-1", "Internet Hamburg", "c1", access=(METERED,))
    return Topology(1, sites, devices, entities, {}, {"c1": customer}, {"v1": service})


@dataclass
class Small:
    """The pipeline with what it is wired to."""

    pipeline: Pipeline
    store: TelemetryStore
    client: TelemetryClient
    clock: VirtualClock
    samples: Channel[SampleBatch]
    events: Channel[tuple[Event, ...]]
    journal: Journal


@pytest.fixture
def now_ns() -> int:
    """The beginning of the current hour: rows must be young, or retention removes them as they come."""
    return time.time_ns() // HOUR * HOUR


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[OwnerProcess]:
    async with OwnerProcess(tmp_path / "telemetry") as running:
        client = TelemetryClient(running.url)
        await schema.create(client, TelemetrySettings())
        await client.close()
        yield running


@asynccontextmanager
async def assembled(owner: OwnerProcess, folder: Path, now_ns: int) -> AsyncIterator[Small]:
    """A pipeline over this owner; its journal lies in `folder`, so that a second one continues the first."""
    clock = VirtualClock(now_ns)
    client = TelemetryClient(owner.url)
    samples: Channel[SampleBatch] = Channel("samples", 100)
    events: Channel[tuple[Event, ...]] = Channel("events", 100)
    journal = Journal(folder / "journal", 64 << 20)
    picture = topology()
    settings = PerfSettings(rollup_grace_s=0)
    pipeline = Pipeline(
        client=client, journal=journal, clock=clock, topology=lambda: picture, samples=samples, events=events, settings=settings
    )
    yield Small(pipeline, TelemetryStore(client, pipeline.names), client, clock, samples, events, journal)
    journal.close()
    await client.close()


@pytest.fixture
async def small(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> AsyncIterator[Small]:
    async with assembled(owner, tmp_path, now_ns) as made:
        yield made
