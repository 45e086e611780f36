"""Flows in: NetFlow v5 and v9, IPFIX and sFlow on their ports; each interval's traffic becomes rows of the table `flow`.

Flow records prove nothing and bill nothing: they say what the octets of an interface were made of. A datagram is never
answered, so what a restart loses is what was heard since the last interval ended; from then on rows are on disk. Only
devices of the inventory are heard.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydantic import Field

from collectors.batched_udp import BatchedUdp, open_socket, peer_of
from collectors.codecs.flow_decoder import FlowDecoder
from collectors.flow_spool import FlowSpool
from collectors.flow_totals import stored, totals
from collectors.senders import Senders
from inventory.topology import Topology
from station.clock import Clock
from station.metrics import counter, gauge
from station.series import Array
from station.settings import Settings
from station.telemetry.client import encode

FLOW_RECEIVED = counter("flow_datagrams", "Flow datagrams received from devices of the inventory.")
FLOW_RECORDS = counter("flow_records", "Flow records decoded.")
FLOW_REFUSED = counter("flow_refused", "Flow datagrams, sets or records not used, by reason.", "reason")
FLOW_LOST = counter("flow_lost", "Records (v9, sFlow: datagrams) that exporters sent and the station never got, by their sequence numbers.")
FLOW_KERNEL_DROPPED = gauge("flow_kernel_dropped", "Datagrams the kernel dropped because the socket's buffer was full.")
FLOW_UNSTORED = counter("flow_unstored_rows", "Rows of flow totals that were lost because the journal was full.")

PENDING_MAX: Final = 500_000  # records between two writes; more are dropped and counted
DATAGRAMS_PER_TURN: Final = 2_048


class FlowSettings(Settings):
    """`[flow]`: the receiver. Port 0 turns one off; both ports take every format."""

    address: str = "127.0.0.1"
    netflow_port: int = Field(12_055, ge=0, le=65_535, description="2055 is usual")
    sflow_port: int = Field(0, ge=0, le=65_535, description="6343 is usual")
    receive_buffer_mb: int = Field(32, ge=1)
    interval_s: float = Field(10.0, ge=1, le=60)
    sender_rate: float = Field(5_000.0, gt=0, description="datagrams per second and exporter, sustained")
    sender_burst: int = Field(20_000, ge=1)
    journal_mb: int = Field(256, ge=16, description="Rows wait here while the store does not answer; beyond it the newest are lost.")


@dataclass(slots=True)
class Heard:
    """What one exporter has sent since the start."""

    datagrams: int = 0
    records: int = 0
    at_ns: int = 0


class Flow:
    """The receiver; `run` works until cancelled."""

    def __init__(self, settings: FlowSettings, topology: Callable[[], Topology], clock: Clock, spool: FlowSpool) -> None:
        self._settings, self._topology, self._clock, self._spool = settings, topology, clock, spool
        self._senders = Senders(settings.sender_rate, settings.sender_burst)
        self._decoder = FlowDecoder()
        self._pending: list[Array] = []
        self._waiting = 0
        self._counted: Counter[str] = Counter()
        self._lost = 0
        self.heard: dict[str, Heard] = {}  # by address; only the inventory's are heard

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_out())
                tasks.create_task(self._spool.run())
                for port in {self._settings.netflow_port, self._settings.sflow_port} - {0}:
                    tasks.create_task(self._receive(port))
        finally:
            await self.flush()  # an ordered stop loses nothing
            self._spool.close()

    async def _receive(self, port: int) -> None:
        udp = BatchedUdp(open_socket(self._settings.address, port, self._settings.receive_buffer_mb << 20))
        FLOW_KERNEL_DROPPED.set_function(udp.drops)
        with udp.listening() as readable:
            while True:
                await readable.wait()
                readable.clear()
                if self._turn(udp):
                    readable.set()  # there may be more; others have their turn first
                    await asyncio.sleep(0)

    def _turn(self, udp: BatchedUdp) -> bool:
        """Take what waits, up to a turn's share; whether anything waited."""
        taken = 0
        while taken < DATAGRAMS_PER_TURN and (datagrams := udp.receive()):
            taken += len(datagrams)
            for payload, name in datagrams:
                self.take(payload, peer_of(name)[0])
        if taken:
            self._decoded()
        return taken > 0

    def take(self, payload: bytes, source: str) -> None:
        """One datagram; it is counted and left where its sender is unknown or too loud."""
        if source not in self._topology().addresses:
            FLOW_REFUSED.labels("unknown_exporter").inc()
            return
        now_ns = self._clock.now_ns()
        if not self._senders.allow(source, now_ns):
            FLOW_REFUSED.labels("storm").inc()
            return
        FLOW_RECEIVED.inc()
        heard = self.heard.setdefault(source, Heard())
        heard.datagrams, heard.at_ns = heard.datagrams + 1, now_ns
        self._decoder.feed(payload, source, now_ns)

    def _decoded(self) -> None:
        flows = self._decoder.take()
        FLOW_RECORDS.inc(len(flows) - int(flows["backward"].sum()))
        for exporter, n in enumerate(np.bincount(flows["exporter"]).tolist()):
            if n:
                self.heard.setdefault(self._decoder.addresses.get(exporter, ""), Heard()).records += n
        for reason, n in self._decoder.counts.items():
            if reason != "flows" and n > self._counted[reason]:
                FLOW_REFUSED.labels(reason).inc(n - self._counted[reason])
                self._counted[reason] = n
        lost = sum(self._decoder.lost.values())
        FLOW_LOST.inc(max(lost - self._lost, 0))
        self._lost = lost
        if self._waiting + len(flows) > PENDING_MAX:
            FLOW_REFUSED.labels("too_many").inc(len(flows))
            return
        self._pending.append(flows)
        self._waiting += len(flows)

    async def _write_out(self) -> None:
        while True:
            await asyncio.sleep(self._settings.interval_s)
            await self.flush()

    async def flush(self) -> int:
        """Make the traffic since the last call durable; its sequence in the spool, 0 where there was none or it is lost."""
        self._decoded()
        flows = [each for each in self._pending if len(each)]
        self._pending, self._waiting = [], 0
        if not flows:
            return 0
        columns = await asyncio.to_thread(self._columns, flows, self._clock.now_ns())
        sequence = await self._spool.put(await asyncio.to_thread(encode, columns))
        if not sequence:
            FLOW_UNSTORED.inc(len(columns["octets"]))
        return sequence

    def _columns(self, flows: list[Array], block: int) -> Mapping[str, Any]:
        topology = self._topology()
        devices = {no: topology.addresses.get(address, 0) for no, address in self._decoder.addresses.items()}
        return stored(totals(np.concatenate(flows)), devices, topology, block)

    def exporters(self) -> list[dict[str, Any]]:
        """Each exporter as it is heard: device number, address, what it sent and what was lost or refused of it."""
        lost, refused, found = self._decoder.lost, self._decoder.refused, []
        for source, heard in sorted(self.heard.items()):
            about = {"device_no": self._topology().addresses.get(source, 0), "address": source, "heard_ns": heard.at_ns}
            about |= {"datagrams": heard.datagrams, "records": heard.records}
            found.append({**about, "lost": lost[source], "refused": refused[source], "sampling": self._decoder.rates(source)})
        return found

    def interface_names(self) -> dict[tuple[int, int], str]:
        """What exporters call their interfaces, by (device number, ifIndex)."""
        addresses = self._topology().addresses
        device_of = {no: addresses.get(source, 0) for no, source in self._decoder.addresses.items()}
        return {(device_of.get(no, 0), interface): name for (no, interface), name in self._decoder.interface_names().items()}
