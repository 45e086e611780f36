"""Flow records as columns, the same for NetFlow v5 and v9, IPFIX and sFlow: one row a flow (sFlow: a sampled frame).

An address is two u64, an IPv4 one mapped into IPv6 (RFC 4291, 2.5.5.2). `octets` and `packets` are as the exporter
counted them; times `sampling` (1: every packet) they stand for the traffic. A record of both directions (RFC 5103) is two
rows, the second marked `backward`, with its ends swapped.
"""

import ipaddress
from typing import Final

import numpy as np

FLOW: Final = np.dtype(
    [
        ("time_ns", np.int64),  # when the station heard of it
        ("exporter", np.uint32),  # number of the sender's address in `Exporters`
        ("domain", np.uint32),  # v9 source id, IPFIX observation domain, sFlow sub-agent, v5 engine
        ("in_if", np.uint32),
        ("out_if", np.uint32),
        ("source_high", np.uint64),
        ("source_low", np.uint64),
        ("destination_high", np.uint64),
        ("destination_low", np.uint64),
        ("source_as", np.uint32),
        ("destination_as", np.uint32),
        ("octets", np.uint64),
        ("packets", np.uint64),
        ("sampling", np.uint32),
        ("source_port", np.uint16),
        ("destination_port", np.uint16),
        ("protocol", np.uint8),
        ("tos", np.uint8),
        ("tcp_flags", np.uint8),
        ("direction", np.uint8),  # 0 ingress, 1 egress (IPFIX flowDirection)
        ("source_mask", np.uint8),
        ("destination_mask", np.uint8),
        ("backward", np.uint8),  # 1: the other direction of a record that has its own row
    ]
)
MAPPED_IPV4: Final = np.uint64(0xFFFF_0000_0000)


def text_of(high: int, low: int) -> str:
    """An address as people write it."""
    if high == 0 and low >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(low & 0xFFFF_FFFF))
    return str(ipaddress.IPv6Address(high << 64 | low))
