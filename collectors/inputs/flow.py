"""Flows in: NetFlow v5 and v9, IPFIX and sFlow on their ports; each interval's traffic becomes rows of the table `flow`.

Flow records prove nothing and bill nothing: they say what the octets of an interface were made of. A restart loses at
most one interval of them; only devices of the inventory are heard.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import numpy as np
import structlog
from pydantic import Field

from collectors.batched_udp import BatchedUdp, open_socket, peer_of
from collectors.codecs.flow_decoder import FlowDecoder
from collectors.flow_totals import stored, totals
from collectors.senders import Senders
from inventory.topology import Topology
from station.clock import NS_PER_S, Clock
from station.metrics import counter, gauge
from station.series import Array
from station.settings import Settings
from station.telemetry.client import TelemetryError

log = structlog.get_logger("flow")

FLOW_RECEIVED = counter("flow_datagrams", "Flow datagrams received from devices of the inventory.")
FLOW_RECORDS = counter("flow_records", "Flow records decoded.")
FLOW_REFUSED = counter("flow_refused", "Flow datagrams, sets or records not used, by reason.", "reason")
FLOW_LOST = counter("flow_lost", "Records (v9, sFlow: datagrams) that exporters sent and the station never got, by their sequence numbers.")
FLOW_KERNEL_DROPPED = gauge("flow_kernel_dropped", "Datagrams the kernel dropped because the socket's buffer was full.")
FLOW_UNSTORED = counter("flow_unstored_rows", "Rows of flow totals that the telemetry store did not take.")

PENDING_MAX: Final = 500_000  # records between two writes; more are dropped and counted
DATAGRAMS_PER_TURN: Final = 2_048

Write = Callable[[str, Mapping[str, Any], str], Coroutine[Any, Any, None]]


class FlowSettings(Settings):
    """`[flow]`: the receiver. Port 0 turns one off; both ports take every format."""

    address: str = "127.0.0.1"
    netflow_port: int = Field(12_055, ge=0, le=65_535, description="2055 is usual")
    sflow_port: int = Field(0, ge=0, le=65_535, description="6343 is usual")
    receive_buffer_mb: int = Field(32, ge=1)
    interval_s: float = Field(10.0, ge=1, le=60)
    sender_rate: float = Field(5_000.0, gt=0, description="datagrams per second and exporter, sustained")
    sender_burst: int = Field(20_000, ge=1)


class Flow:
    """The receiver; `run` works until cancelled. `write(table, columns, token)` appends to the telemetry store."""

    def __init__(self, settings: FlowSettings, topology: Callable[[], Topology], clock: Clock, write: Write) -> None:
        self._settings, self._topology, self._clock, self._write = settings, topology, clock, write
        self._senders = Senders(settings.sender_rate, settings.sender_burst)
        self._decoder = FlowDecoder()
        self._pending: list[Array] = []
        self._waiting = 0
        self._counted: Counter[str] = Counter()
        self._lost = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_out())
            for port in {self._settings.netflow_port, self._settings.sflow_port} - {0}:
                tasks.create_task(self._receive(port))

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
        self._decoder.feed(payload, source, now_ns)

    def _decoded(self) -> None:
        flows = self._decoder.take()
        FLOW_RECORDS.inc(len(flows))
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

    async def flush(self) -> None:
        """Write the traffic since the last call; rows that the store refuses are counted and gone."""
        self._decoded()
        flows = [each for each in self._pending if len(each)]
        self._pending, self._waiting = [], 0
        if not flows:
            return
        columns = await asyncio.to_thread(self._columns, flows)
        try:
            await self._write("flow", columns, f"flow-{self._clock.now_ns() // NS_PER_S}")
        except TelemetryError as error:
            FLOW_UNSTORED.inc(len(columns["octets"]))
            log.warning("flow totals not stored", error=str(error))

    def _columns(self, flows: list[Array]) -> Mapping[str, Any]:
        topology = self._topology()
        devices = {no: topology.addresses.get(address, 0) for no, address in self._decoder.addresses.items()}
        return stored(totals(np.concatenate(flows)), devices, topology)
