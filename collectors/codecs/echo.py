"""ICMP echo (RFC 792, RFC 4443): requests out, replies in, no I/O."""

import struct
from typing import Final

from collectors.codecs.ber import DecodeError

REQUEST_V4, REPLY_V4 = 8, 0
REQUEST_V6, REPLY_V6 = 128, 129
PAYLOAD_OCTETS: Final = 56
_HEADER = struct.Struct(">BBHHH")


def request(identifier: int, sequence: int, *, ipv6: bool) -> bytes:
    """An echo request with 56 octets of payload; of ICMPv6 the kernel makes the checksum."""
    kind, payload = (REQUEST_V6 if ipv6 else REQUEST_V4), bytes(PAYLOAD_OCTETS)
    sum_ = 0 if ipv6 else checksum(_HEADER.pack(kind, 0, 0, identifier, sequence) + payload)
    return _HEADER.pack(kind, 0, sum_, identifier, sequence) + payload


def reply(octets: bytes, *, ipv6: bool, with_ip_header: bool = False) -> tuple[int, int]:
    """(identifier, sequence) of an echo reply; DecodeError for anything else."""
    if with_ip_header:
        if not octets or len(octets) < (octets[0] & 15) * 4:
            raise DecodeError("truncated")
        octets = octets[(octets[0] & 15) * 4 :]
    if len(octets) < _HEADER.size:
        raise DecodeError("truncated")
    kind, code, _, identifier, sequence = _HEADER.unpack_from(octets)
    if kind != (REPLY_V6 if ipv6 else REPLY_V4) or code:
        raise DecodeError("not a reply")
    return identifier, sequence


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = octets + b"\0" * (len(octets) & 1)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    total = (total >> 16) + (total & 0xFFFF)
    return 0xFFFF - ((total + (total >> 16)) & 0xFFFF)
