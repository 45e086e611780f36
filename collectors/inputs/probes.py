"""Probes: ICMP echo to every device; TWAMP Light, TCP, DNS, HTTP and traces to what is named. Rounds become samples of devices.

Off until told: a probe is a packet that somebody must want. `reflector_port` lets other senders measure the way to here.
"""

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from collectors.dns_probe import answers
from collectors.http_probe import Expected, Fetched, fetches
from collectors.pings import Pings
from collectors.probe_results import Summary, summary
from collectors.probe_settings import DnsTarget, HttpTarget, ProbeSettings, TcpTarget, TraceTarget, TwampTarget
from collectors.rows import Rows
from collectors.tcp_connects import connects
from collectors.trace import Tracer, Way
from collectors.twamp import Reflector, measure
from inventory.topology import Topology
from station.batch import Notification, SampleBatch
from station.catalogue import metrics_by_name
from station.channel import Channel
from station.clock import Clock
from station.metrics import counter

PROBE_ROUNDS = counter("probe_rounds", "Rounds of probes, by kind.", "kind")
AT_ONCE: Final = 64  # targets of one kind probed at the same time
WAY_CHARS_MAX: Final = 480

T = TypeVar("T")
log = structlog.get_logger(__name__)
Values = Mapping[str, Iterable[tuple[str, float]]]


class Probes:
    """All probes; `run` works until cancelled."""

    def __init__(
        self,
        settings: ProbeSettings,
        topology: Callable[[], Topology],
        clock: Clock,
        out: Channel[SampleBatch],
        heard: Channel[tuple[Notification, ...]],
    ) -> None:
        self._settings, self._topology, self._clock, self._out, self._heard = settings, topology, clock, out, heard
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._ways: dict[str, Way] = {}

    async def run(self) -> None:
        settings = self._settings
        kinds: list[tuple[float, Sequence[Any], Callable[[], Awaitable[None]]]] = [
            (settings.twamp_interval_s, settings.twamp, self._twamp),
            (settings.tcp_interval_s, settings.tcp, self._tcp),
            (settings.dns_interval_s, settings.dns, self._dns),
            (settings.http_interval_s, settings.http, self._http),
        ]
        async with asyncio.TaskGroup() as tasks:
            if settings.icmp_interval_s:
                tasks.create_task(self._icmp())
            if settings.trace_interval_s and settings.trace:
                tasks.create_task(self._traces())
            for interval_s, targets, work in kinds:
                if interval_s and targets:
                    tasks.create_task(_every(interval_s, work))
            if settings.reflector_port:
                tasks.create_task(self._reflect())

    async def _icmp(self) -> None:
        pings = {ipv6: Pings(self._clock, ipv6=ipv6) for ipv6 in (False, True)}

        async def once() -> None:
            targets = [device.management_address for device in self._topology().devices.values() if device.management_address]
            rounds = await asyncio.gather(*(self._round(pings[v6], [one for one in targets if (":" in one) == v6]) for v6 in pings))
            await self._hand_over("icmp", {address: values_of(summary(found)) for each in rounds for address, found in each.items()})

        try:
            await _every(self._settings.icmp_interval_s, once)
        finally:
            for each in pings.values():
                each.close()

    async def _round(self, pings: Pings, targets: list[str]) -> Mapping[str, list[float | None]]:
        settings = self._settings
        return await pings.round(targets, count=settings.icmp_count, rate_per_s=settings.icmp_rate_per_s, timeout_s=settings.timeout_s)

    async def _twamp(self) -> None:
        async def one(target: TwampTarget) -> list[float | None]:
            settings = self._settings
            count, spacing_s, timeout_s = settings.twamp_count, settings.twamp_spacing_s, settings.timeout_s
            return await measure(self._clock, target.address, target.port, count=count, interval_s=spacing_s, timeout_s=timeout_s)

        found = await self._all(self._settings.twamp, one)
        await self._hand_over("twamp", {address: values_of(summary(times)) for address, times in found.items()})

    async def _tcp(self) -> None:
        async def one(target: TcpTarget) -> list[float | None]:
            settings = self._settings
            count, spacing_s, timeout_s = settings.tcp_count, settings.tcp_spacing_s, settings.timeout_s
            return await connects(self._clock, target.address, target.port, count=count, spacing_s=spacing_s, timeout_s=timeout_s)

        found = await self._all(self._settings.tcp, one)
        await self._hand_over("tcp", {address: values_of(summary(times)) for address, times in found.items()})

    async def _dns(self) -> None:
        async def one(target: DnsTarget) -> list[float | None]:
            settings, question = self._settings, (target.name, target.kind)
            times = {"count": settings.dns_count, "spacing_s": settings.dns_spacing_s, "timeout_s": settings.timeout_s}
            return await answers(self._clock, target.address, target.port, question, target.expect, **times)  # type: ignore[arg-type]

        found = await self._all(self._settings.dns, one)
        await self._hand_over("dns", {address: values_of(summary(times)) for address, times in found.items()})

    async def _http(self) -> None:
        async def one(target: HttpTarget) -> Fetched:
            settings, expected = self._settings, Expected(target.statuses, target.contains)
            trusted = await asyncio.to_thread(ssl.create_default_context, cafile=target.ca_file or None)
            times = {"count": settings.http_count, "spacing_s": settings.http_spacing_s, "timeout_s": settings.http_timeout_s}
            return await fetches(self._clock, target.url, expected, **times, trusted=trusted)  # type: ignore[arg-type]

        found = await self._all(self._settings.http, one)
        values = {
            address: [*values_of(summary(each.seconds)), ("certificate_days", each.certificate_days)] for address, each in found.items()
        }
        await self._hand_over("http", values)

    async def _traces(self) -> None:
        """One socket a target for as long as the station runs: its flow stays the same."""
        tracers: dict[str, Tracer] = {}

        async def one(target: TraceTarget) -> Way:
            if target.address not in tracers:
                tracers[target.address] = Tracer(self._clock, target.address)
            tracer = tracers[target.address]
            settings, known = self._settings, self._ways.get(target.address)
            way = await tracer.trace(tries=settings.trace_tries, timeout_s=settings.timeout_s)
            if known is not None and way.differs(known):  # once more: a way is in motion while routing converges
                way = await tracer.trace(tries=settings.trace_tries, timeout_s=settings.timeout_s)
            return way

        async def once() -> None:
            found = await self._all(self._settings.trace, one)
            for address, way in found.items():
                await self._followed(address, way)
            await self._hand_over("trace", {address: _of_way(way) for address, way in found.items()})

        try:
            await _every(self._settings.trace_interval_s, once)
        finally:
            for tracer in tracers.values():
                tracer.close()

    async def _followed(self, address: str, way: Way) -> None:
        """Tell of a way that is another than the last; one that ends early says nothing of where it would go on."""
        before = self._ways.get(address)
        if way.reached or before is None:
            self._ways[address] = way
        if before is None or not way.differs(before):
            return
        self._ways[address] = way
        said = {"target": address, "before": _shown(before), "after": _shown(way)}
        text = f"the way to {address} was {said['before']}, is {said['after']}"
        device = self._topology().addresses.get(address, 0)
        told = Notification(self._clock.now_ns(), address, device, "probe", "pathChanged", text, said, authenticated=True)
        await self._heard.put((told,))

    async def _all(self, targets: Sequence[Any], one: Callable[[Any], Awaitable[T]]) -> dict[str, T]:
        """What one round to each target found, by address; a target that cannot be probed at all is logged and left out."""

        async def guarded(target: Any) -> tuple[str, T] | None:
            async with self._limit:
                try:
                    return target.address, await one(target)
                except (OSError, ssl.SSLError) as error:
                    log.warning("probe not possible", target=target.address, error=str(error))
                    return None

        return dict(found for found in await asyncio.gather(*map(guarded, targets)) if found is not None)

    async def _reflect(self) -> None:
        local = (self._settings.address, self._settings.reflector_port)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Reflector(self._clock), local_addr=local)
        try:
            await asyncio.Event().wait()
        finally:
            transport.close()

    async def _hand_over(self, kind: str, found: Values) -> None:
        PROBE_ROUNDS.labels(kind).inc()
        topology, now_ns, rows = self._topology(), self._clock.now_ns(), Rows()
        for address, values in found.items():
            device_no = topology.addresses.get(address)
            if device_no is not None:
                for name, value in values:
                    if not math.isnan(value):
                        rows.add(now_ns, device_no, 0, metrics_by_name()[f"{kind}.{name}"], value)
        if len(rows):
            await self._out.put(rows.batch())


async def _every(interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
    """Begin the work each `interval_s`, or when it has ended if that is later."""
    while True:
        rest = asyncio.create_task(asyncio.sleep(interval_s))
        await work()
        await rest


def values_of(result: Summary) -> list[tuple[str, float]]:
    """What a round measured; where nothing came back there is loss and no time."""
    return [
        ("loss", result.loss_ratio),
        ("rtt_p50", result.rtt_p50_s),
        ("rtt_p95", result.rtt_p95_s),
        ("rtt_p99", result.rtt_p99_s),
        ("jitter", result.jitter_s),
    ]


def _of_way(way: Way) -> list[tuple[str, float]]:
    return [
        ("reached", float(way.reached)),
        ("hops", float(len(way.hops)) if way.reached else math.nan),
        ("rtt", math.nan if way.rtt_s is None else way.rtt_s),
    ]


def _shown(way: Way) -> str:
    """The hops in a line, `*` for one that is silent."""
    text = " ".join(hop or "*" for hop in way.hops) or "nothing"
    return text if len(text) <= WAY_CHARS_MAX else f"{text[:WAY_CHARS_MAX]} ..."
