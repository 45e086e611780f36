"""Send what devices say: each datagram leaves from the device's own address."""

import socket
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from simulator.address import Address
from simulator.informs import Informs
from simulator.messages import syslog, trap, trap_pdu, v2c_message
from simulator.network import Network
from simulator.notices import Notice
from simulator.world import Device

MAX_REQUEST_ID = 2**31 - 1

Wrap = Callable[[Device, bytes, int, int], bytes]
"""(device, its trap PDU, request id, time) as an SNMP message."""


def in_v2c(community: str) -> Wrap:
    return lambda device, pdu, request_id, now_ns: v2c_message(community, pdu)


class Emitter:
    """Turns notices into traps, or informs where there are any, and syslog lines.

    `sent` counts datagrams by kind, `failed` those the kernel refused.
    """

    def __init__(self, network: Network, *, trap_to: Address, syslog_to: Address, wrap: Wrap, informs: Informs | None = None) -> None:
        self._network, self._trap_to, self._syslog_to, self._wrap, self._informs = network, trap_to, syslog_to, wrap, informs
        self._request_id = 0
        self.sent: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, Any]:
        """Datagrams by kind, sent and failed, and what became of informs."""
        informs = dict(self._informs.counts) if self._informs is not None else {}
        return {"sent": dict(self.sent), "failed": dict(self.failed), "informs": informs}

    def emit(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            device = self._network.world.devices[notice.device]
            with self._socket(device) as sock:
                if self._informs is not None:
                    self._informs.send(device, trap(self._network, notice))
                else:
                    self._send(sock, "trap", self._trap(device, notice), self._trap_to)
                line = syslog(self._network, notice)
                if line is not None:
                    self._send(sock, "syslog", line, self._syslog_to)

    @staticmethod
    def _socket(device: Device) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind((device.address, 0))
        return sock

    def _trap(self, device: Device, notice: Notice) -> bytes:
        self._request_id = self._request_id % MAX_REQUEST_ID + 1
        return self._wrap(device, trap_pdu(trap(self._network, notice), self._request_id), self._request_id, notice.time_ns)

    def _send(self, sock: socket.socket, kind: str, data: bytes, to: Address) -> None:
        try:
            sock.sendto(data, (to.host, to.port))
            self.sent[kind] += 1
        except OSError:
            self.failed[kind] += 1
