"""sFlow version 5 (sflow.org, sflow_version_5.txt): datagrams in, sampled frames as rows of `flow.FLOW` out, no I/O.

Each flow sample is one frame that stands for `sampling` of them. Of a raw header Ethernet, VLAN tags, MPLS labels, PPPoE,
IPv4, IPv6 with its extension headers and the ports of TCP, UDP and SCTP are read. Counter samples are counted and left to
SNMP.
"""

import struct
from collections import Counter
from typing import Final

import numpy as np

from collectors.codecs.ber import DecodeError
from collectors.codecs.flow import FLOW, MAPPED_IPV4
from station.series import Array

SAMPLES_MAX: Final = 256  # per datagram
RECORDS_MAX: Final = 64  # per sample
_ETHER_IPV4, _ETHER_IPV6 = 0x0800, 0x86DD
_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100})
_MPLS: Final = frozenset({0x8847, 0x8848})
_PPPOE: Final = 0x8864
_PPP_IP: Final = frozenset({0x0021, 0x0057})
_EXTENSIONS: Final = frozenset({0, 43, 60, 135, 139, 140})  # of IPv6, with a length in units of 8 octets (RFC 8200, 4; RFC 6564)
_FRAGMENT, _AUTHENTICATION = 44, 51
_DEEPEST: Final = 16  # labels or extension headers
ETHERNET, IP = 1, 11  # header_protocol of a raw header; 12 is IP too
_WITH_PORTS: Final = frozenset({6, 17, 132})

Row = dict[str, int]


class Cursor:
    """XDR words (RFC 4506) out of a datagram; DecodeError beyond its end."""

    def __init__(self, octets: bytes, at: int = 0) -> None:
        self.octets, self.at = octets, at

    def word(self) -> int:
        if self.at + 4 > len(self.octets):
            raise DecodeError("truncated")
        self.at += 4
        return int.from_bytes(self.octets[self.at - 4 : self.at])

    def take(self, length: int) -> bytes:
        """`length` octets and their padding to a word."""
        if length < 0 or self.at + length > len(self.octets):
            raise DecodeError("truncated")
        found = self.octets[self.at : self.at + length]
        self.at += length + (-length & 3)
        return found


def decode(payload: bytes, counts: Counter[str]) -> tuple[int, int, list[Row]]:
    """(sub-agent, sequence number, sampled frames) of a datagram. Raises DecodeError; unknown records are counted."""
    cursor = Cursor(payload)
    if cursor.word() != 5:
        raise DecodeError("version")
    cursor.take({1: 4, 2: 16}.get(cursor.word(), -1))
    sub_agent, sequence, _, samples = (cursor.word() for _ in range(4))
    if samples > SAMPLES_MAX:
        raise DecodeError("too many samples")
    rows = []
    for _ in range(samples):
        kind, body = cursor.word(), Cursor(cursor.take(cursor.word()))
        if kind in (1, 3):
            rows.append(_flow_sample(body, expanded=kind == 3, counts=counts))
        else:
            counts["counter_sample" if kind in (2, 4) else "unknown_sample"] += 1
    return sub_agent, sequence, rows


def columns(rows: list[Row], *, exporter: int, domain: int, now_ns: int) -> Array:
    """The rows of one datagram as flows."""
    out = np.zeros(len(rows), FLOW)
    out["time_ns"], out["exporter"], out["domain"] = now_ns, exporter, domain
    for n, row in enumerate(rows):
        for name, value in row.items():
            out[name][n] = value
    return out


def _flow_sample(body: Cursor, *, expanded: bool, counts: Counter[str]) -> Row:
    body.word()  # the sample's own sequence number
    body.take(8 if expanded else 4)  # its source
    sampling, _, _ = body.word(), body.word(), body.word()
    in_format = body.word() if expanded else 0
    in_if = body.word()
    out_format = body.word() if expanded else 0
    out_if = body.word()
    row: Row = {"packets": 1, "sampling": sampling, "in_if": _port(in_format, in_if, expanded=expanded)}
    row["out_if"] = _port(out_format, out_if, expanded=expanded)
    records = body.word()
    if records > RECORDS_MAX:
        raise DecodeError("too many records")
    for _ in range(records):
        kind, record = body.word(), Cursor(body.take(body.word()))
        if kind == 1:
            _raw_header(record, row)
        elif kind == 1003:
            _gateway(record, row)
        elif kind in (3, 4):
            _sampled_ip(record, row, 4 if kind == 3 else 16)
        elif kind == 1002:
            _router(record, row)
        else:
            counts["other_record"] += 1
    return row


def _port(form: int, value: int, *, expanded: bool) -> int:
    """An ifIndex; 0 where the frame was dropped, went out of several ports, or the port is unknown."""
    if not expanded:
        form, value = value >> 30, value & 0x3FFF_FFFF
    return value if form == 0 and value not in (0x3FFF_FFFF, 0xFFFF_FFFF) else 0


def _raw_header(record: Cursor, row: Row) -> None:
    protocol, length, _ = record.word(), record.word(), record.word()
    row["octets"] = length
    read_header(protocol, record.take(record.word()), row)


def read_header(protocol: int, header: bytes, row: Row) -> None:
    """What of a frame's first octets is addresses, ports and the like, into `row`."""
    if protocol == ETHERNET:
        _ethernet(header, row)
    elif protocol in (IP, 12):
        _ip(header, 0, row)


def _ethernet(header: bytes, row: Row) -> None:
    at = 12
    while at + 2 <= len(header):
        kind = int.from_bytes(header[at : at + 2])
        at += 2
        if kind in (_ETHER_IPV4, _ETHER_IPV6):
            _ip(header, at, row)
        elif kind in _MPLS:
            _mpls(header, at, row)
        elif kind == _PPPOE and int.from_bytes(header[at + 6 : at + 8]) in _PPP_IP:  # RFC 2516, 4
            _ip(header, at + 8, row)
        if kind not in _TAGS:
            return
        at += 2


def _mpls(header: bytes, at: int, row: Row) -> None:
    """Labels down to the bottom of the stack (RFC 3032, 2.1); what is below says its version itself, if it is IP."""
    for _ in range(_DEEPEST):
        if at + 4 > len(header):
            return
        at += 4
        if header[at - 2] & 1:
            _ip(header, at, row)
            return


def _ip(header: bytes, at: int, row: Row) -> None:
    """What of an IP header was sampled; less is no fault, a header is cut at 128 octets."""
    version = header[at] >> 4 if at < len(header) else 0
    if version == 4 and at + 20 <= len(header):
        row["tos"], row["protocol"] = header[at + 1], header[at + 9]
        _addresses(header[at + 12 : at + 16], header[at + 16 : at + 20], row)
        fragment = int.from_bytes(header[at + 6 : at + 8]) & 0x1FFF
        if not fragment:
            _ports(header, at + (header[at] & 15) * 4, row)
    elif version == 6 and at + 40 <= len(header):
        row["tos"], row["protocol"] = int.from_bytes(header[at : at + 2]) >> 4 & 0xFF, header[at + 6]
        _addresses(header[at + 8 : at + 24], header[at + 24 : at + 40], row)
        _behind_extensions(header, at + 40, row)


def _behind_extensions(header: bytes, at: int, row: Row) -> None:
    """The protocol that the extension headers of IPv6 lead to, and its ports unless this is a later fragment."""
    for _ in range(_DEEPEST):
        kind = row["protocol"]
        if kind not in _EXTENSIONS and kind not in (_FRAGMENT, _AUTHENTICATION):
            _ports(header, at, row)
            return
        if at + 8 > len(header):
            return
        row["protocol"] = header[at]
        if kind == _FRAGMENT:
            if int.from_bytes(header[at + 2 : at + 4]) >> 3:
                return
            at += 8
        else:
            at += (header[at + 1] + 2) * 4 if kind == _AUTHENTICATION else (header[at + 1] + 1) * 8


def _ports(header: bytes, at: int, row: Row) -> None:
    if row["protocol"] in _WITH_PORTS and at + 4 <= len(header):
        row["source_port"], row["destination_port"] = struct.unpack_from(">HH", header, at)
        if row["protocol"] == 6 and at + 14 <= len(header):
            row["tcp_flags"] = header[at + 13]


def _addresses(source: bytes, destination: bytes, row: Row) -> None:
    for end, octets in (("source", source), ("destination", destination)):
        if len(octets) == 4:
            row[f"{end}_low"] = int.from_bytes(octets) | int(MAPPED_IPV4)
        else:
            row[f"{end}_high"], row[f"{end}_low"] = int.from_bytes(octets[:8]), int.from_bytes(octets[8:])


def _sampled_ip(record: Cursor, row: Row, width: int) -> None:
    length = record.word()
    row["octets"] = row.get("octets") or length
    row["protocol"] = record.word() & 0xFF
    _addresses(record.take(width), record.take(width), row)
    row["source_port"], row["destination_port"] = record.word() & 0xFFFF, record.word() & 0xFFFF
    row["tcp_flags"], row["tos"] = record.word() & 0xFF, record.word() & 0xFF


def _router(record: Cursor, row: Row) -> None:
    record.take({1: 4, 2: 16}.get(record.word(), -1))
    row["source_mask"], row["destination_mask"] = record.word() & 0xFF, record.word() & 0xFF


def _gateway(record: Cursor, row: Row) -> None:
    """extended_gateway: the source's AS, and the last AS of the path as the destination's."""
    record.take({0: 0, 1: 4, 2: 16}.get(record.word(), -1))
    own, row["source_as"], _, segments = (record.word() for _ in range(4))
    row["destination_as"] = own
    for _ in range(min(segments, RECORDS_MAX)):
        record.word()
        for _ in range(min(record.word(), SAMPLES_MAX)):
            row["destination_as"] = record.word()
