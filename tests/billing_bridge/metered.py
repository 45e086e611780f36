"""A small metered network for tests: inventory rows, and counters as arrays that a `SampleSource` serves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from inventory.store import customer, device, entity, service, service_binding, site
from station.batch import Quality
from station.scope import OPERATOR_TENANT, Role, Scope
from station.series import entity_key
from station.state import State

NS = 1_000_000_000
DAY_NS = 86_400 * NS
CLERK = Scope(tenant=OPERATOR_TENANT, role=Role.BILLING, user="clerk")
UP_SINCE_NS = 1_700_000_000 * NS


def at(text: str) -> int:
    """UTC nanoseconds of an ISO time without zone."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


@dataclass(frozen=True, slots=True)
class Arrays:
    """`InterfaceSamples` as plain arrays."""

    time_ns: npt.NDArray[np.int64]
    in_octets: npt.NDArray[np.uint64]
    out_octets: npt.NDArray[np.uint64]
    in_delta: npt.NDArray[np.uint64]
    out_delta: npt.NDArray[np.uint64]
    quality: npt.NDArray[np.uint8]
    uptime_cs: npt.NDArray[np.int64]
    received_ns: npt.NDArray[np.int64]

    def take(self, rows: Any) -> "Arrays":
        return Arrays(*(getattr(self, column.name)[rows] for column in fields(self)))

    def joined(self, other: "Arrays") -> "Arrays":
        return Arrays(*(np.concatenate([getattr(self, c.name), getattr(other, c.name)]) for c in fields(self)))

    def received(self, at_ns: int) -> "Arrays":
        """The same samples, learned of only at `at_ns`, and so LATE."""
        late = np.full(len(self.time_ns), Quality.LATE, np.uint8)
        return replace(self, received_ns=np.full(len(self.time_ns), at_ns, np.int64), quality=late)


def polled(start_ns: int, end_ns: int, mbps: Callable[[int], tuple[float, float]], *, every_s: int = 300) -> Arrays:
    """Samples each `every_s` from start to end, both included; `mbps(slot number)` is the traffic in and out before each."""
    times = np.arange(start_ns, end_ns + 1, every_s * NS)
    octets = np.array([[int(rate * 125_000 * every_s) for rate in mbps(n)] for n in range(len(times))], np.uint64).reshape(-1, 2)
    octets[:1] = 0
    raw = np.cumsum(octets, axis=0, dtype=np.uint64) + np.uint64(10**12)
    quality = np.zeros(len(times), np.uint8)
    quality[:1] = Quality.FIRST
    uptime = (times - UP_SINCE_NS) // 10_000_000
    return Arrays(times, raw[:, 0], raw[:, 1], octets[:, 0], octets[:, 1], quality, uptime, times.copy())


@dataclass
class ArraySource:
    """A `SampleSource` of arrays by entity key; counts how often it was asked."""

    samples: dict[int, Arrays] = field(default_factory=dict)
    asked: int = 0

    async def interface_samples(self, entity_key: int, start_ns: int, end_ns: int) -> Arrays:
        self.asked += 1
        found = self.samples.get(entity_key, polled(1, 0, lambda n: (0, 0)))
        return found.take((found.time_ns >= start_ns) & (found.time_ns < end_ns))


PORT = {n: entity_key(1, n) for n in range(1, 10)}


def port_id(n: int) -> str:
    return f"port-{n}"


async def network(state: State, *, ports: int = 3, simulated: bool = True, hostile: str = "") -> None:
    """One device with `ports` interfaces of 1 Gbit/s at one site, and no customer yet."""
    await state.create_all()
    async with state.write() as conn:
        await conn.execute(sa.insert(site).values(tenant=1, id="site-1", name="Hamburg-01", region="north"))
        values = {
            "tenant": 1,
            "no": 1,
            "id": "device-1",
            "identity": "d1",
            "name": "ham-edge-1" + hostile,
            "management_address": "127.64.0.1",
        }
        await conn.execute(sa.insert(device).values(**values, site_id="site-1", simulated=simulated))
        for n in range(1, ports + 1):
            row = {"tenant": 1, "device_no": 1, "entity_no": n, "id": port_id(n), "kind": "interface", "name": f"xe-0/0/{n}" + hostile}
            await conn.execute(sa.insert(entity).values(**row, speed_bps=10**9))


async def add_customer(state: State, n: int, **changes: Any) -> str:
    """Customer `K-<n>` of id `customer-<n>`."""
    row = {"tenant": 1, "id": f"customer-{n}", "number": f"K-{n}", "name": f"Customer {n}", "address": "Hafenstr. 1\n20457 Hamburg"}
    async with state.write() as conn:
        await conn.execute(sa.insert(customer).values(**(row | changes)))
    return f"customer-{n}"


async def add_service(state: State, n: int, customer_id: str, tariff: str, bound: Mapping[int, tuple[int, int]], **changes: Any) -> str:
    """Service `S-<n>` of id `service-<n>`, metered on ports: number -> (from, to), 0 for without end."""
    row = {"tenant": 1, "id": f"service-{n}", "number": f"S-{n}", "name": f"Internet {n}", "customer_id": customer_id, "tariff": tariff}
    async with state.write() as conn:
        await conn.execute(sa.insert(service).values(**(row | changes)))
        for port, (from_ns, to_ns) in bound.items():
            await conn.execute(
                sa.insert(service_binding).values(
                    tenant=1, id=f"binding-{n}-{port}-{from_ns}", service_id=f"service-{n}", device_no=1, entity_no=port, role="access",
                    valid_from_ns=from_ns, valid_to_ns=to_ns,
                )
            )  # fmt: skip
    return f"service-{n}"
