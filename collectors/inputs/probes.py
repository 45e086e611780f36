"""Probes: ICMP echo to every device, TWAMP Light and TCP connections to what is named; each round becomes samples of its device.

Off until told: a probe is a packet that somebody must want. `reflector_port` lets other senders measure the way to here.
"""

import asyncio
import ipaddress
import math
from collections.abc import Callable, Iterable, Mapping

from pydantic import Field, field_validator

from collectors.pings import Pings
from collectors.probe_results import Summary, summary
from collectors.rows import Rows
from collectors.tcp_connects import connects
from collectors.twamp import Reflector, measure
from inventory.topology import Topology
from station.batch import SampleBatch
from station.catalogue import metrics_by_name
from station.channel import Channel
from station.clock import Clock
from station.metrics import counter
from station.settings import Settings

PROBE_ROUNDS = counter("probe_rounds", "Rounds of probes, by kind.", "kind")


class TwampTarget(Settings):
    """`[[probes.twamp]]`: a reflector, by the address of its device."""

    address: str
    port: int = Field(862, ge=1, le=65_535)


class TcpTarget(Settings):
    """`[[probes.tcp]]`: a port that should take connections, by an address of its device."""

    address: str
    port: int = Field(ge=1, le=65_535)

    @field_validator("address")
    @classmethod
    def _literal(cls, address: str) -> str:
        """A name would let whoever answers for it choose the target."""
        return str(ipaddress.ip_address(address))


class ProbeSettings(Settings):
    """`[probes]`. An interval of 0 turns a kind off."""

    icmp_interval_s: float = Field(0.0, ge=0, le=3_600)
    icmp_count: int = Field(5, ge=1, le=100)
    icmp_rate_per_s: float = Field(2_000.0, gt=0, description="requests per second to all targets together")
    twamp_interval_s: float = Field(0.0, ge=0, le=3_600)
    twamp_count: int = Field(20, ge=1, le=1_000)
    twamp_spacing_s: float = Field(0.02, ge=0, le=1)
    twamp: tuple[TwampTarget, ...] = ()
    tcp_interval_s: float = Field(0.0, ge=0, le=3_600)
    tcp_count: int = Field(3, ge=1, le=20)
    tcp_spacing_s: float = Field(0.5, ge=0, le=10)
    tcp: tuple[TcpTarget, ...] = Field((), max_length=1_000)
    timeout_s: float = Field(1.0, gt=0, le=30)
    address: str = "127.0.0.1"
    reflector_port: int = Field(0, ge=0, le=65_535)

    @field_validator("tcp")
    @classmethod
    def _one_each(cls, targets: tuple[TcpTarget, ...]) -> tuple[TcpTarget, ...]:
        """A device has one series of each kind of probe."""
        seen = [target.address for target in targets]
        twice = next((address for address in seen if seen.count(address) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} stands twice: one port of an address is probed")
        return targets


class Probes:
    """All probes; `run` works until cancelled."""

    def __init__(self, settings: ProbeSettings, topology: Callable[[], Topology], clock: Clock, out: Channel[SampleBatch]) -> None:
        self._settings, self._topology, self._clock, self._out = settings, topology, clock, out

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._settings.icmp_interval_s:
                tasks.create_task(self._icmp())
            if self._settings.twamp_interval_s and self._settings.twamp:
                tasks.create_task(self._twamp())
            if self._settings.tcp_interval_s and self._settings.tcp:
                tasks.create_task(self._tcp())
            if self._settings.reflector_port:
                tasks.create_task(self._reflect())

    async def _icmp(self) -> None:
        pings = {ipv6: Pings(self._clock, ipv6=ipv6) for ipv6 in (False, True)}
        try:
            while True:
                rest = asyncio.create_task(asyncio.sleep(self._settings.icmp_interval_s))
                targets = [device.management_address for device in self._topology().devices.values() if device.management_address]
                rounds = await asyncio.gather(*(self._round(pings[v6], [one for one in targets if (":" in one) == v6]) for v6 in pings))
                await self._hand_over("icmp", {address: summary(found) for each in rounds for address, found in each.items()})
                await rest
        finally:
            for each in pings.values():
                each.close()

    async def _round(self, pings: Pings, targets: list[str]) -> Mapping[str, list[float | None]]:
        settings = self._settings
        return await pings.round(targets, count=settings.icmp_count, rate_per_s=settings.icmp_rate_per_s, timeout_s=settings.timeout_s)

    async def _twamp(self) -> None:
        while True:
            rest = asyncio.create_task(asyncio.sleep(self._settings.twamp_interval_s))
            found = await asyncio.gather(*(self._session(target) for target in self._settings.twamp))
            await self._hand_over("twamp", dict(found))
            await rest

    async def _session(self, target: TwampTarget) -> tuple[str, Summary]:
        settings = self._settings
        count, spacing_s, timeout_s = settings.twamp_count, settings.twamp_spacing_s, settings.timeout_s
        found = await measure(self._clock, target.address, target.port, count=count, interval_s=spacing_s, timeout_s=timeout_s)
        return target.address, summary(found)

    async def _tcp(self) -> None:
        while True:
            rest = asyncio.create_task(asyncio.sleep(self._settings.tcp_interval_s))
            found = await asyncio.gather(*(self._connections(target) for target in self._settings.tcp))
            await self._hand_over("tcp", dict(found))
            await rest

    async def _connections(self, target: TcpTarget) -> tuple[str, Summary]:
        settings = self._settings
        count, spacing_s, timeout_s = settings.tcp_count, settings.tcp_spacing_s, settings.timeout_s
        found = await connects(self._clock, target.address, target.port, count=count, spacing_s=spacing_s, timeout_s=timeout_s)
        return target.address, summary(found)

    async def _reflect(self) -> None:
        local = (self._settings.address, self._settings.reflector_port)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Reflector(self._clock), local_addr=local)
        try:
            await asyncio.Event().wait()
        finally:
            transport.close()

    async def _hand_over(self, kind: str, found: Mapping[str, Summary]) -> None:
        PROBE_ROUNDS.labels(kind).inc()
        topology, now_ns, rows = self._topology(), self._clock.now_ns(), Rows()
        for address, result in found.items():
            device_no = topology.addresses.get(address)
            if device_no is not None:
                for name, value in values_of(result):
                    rows.add(now_ns, device_no, 0, metrics_by_name()[f"{kind}.{name}"], value)
        if len(rows):
            await self._out.put(rows.batch())


def values_of(result: Summary) -> Iterable[tuple[str, float]]:
    """What a round measured; where nothing came back there is loss and no time."""
    named = {
        "loss": result.loss_ratio,
        "rtt_p50": result.rtt_p50_s,
        "rtt_p95": result.rtt_p95_s,
        "rtt_p99": result.rtt_p99_s,
        "jitter": result.jitter_s,
    }
    return ((name, value) for name, value in named.items() if not math.isnan(value))
