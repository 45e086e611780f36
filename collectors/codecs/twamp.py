"""TWAMP test packets without authentication (RFC 5357, 4.1.2 and 4.2.1), as TWAMP Light and STAMP (RFC 8762) use them; no I/O.

Sender:    sequence u32 | timestamp u64 | error estimate u16 | padding
Reflector: sequence u32 | timestamp u64 | error estimate u16 | 0 u16 | receive timestamp u64 | the sender's sequence u32,
           timestamp u64, error estimate u16 | 0 u16 | the sender's TTL u8 | padding, so that both are equally long
"""

import struct
from typing import Final, NamedTuple

from collectors.codecs.ber import DecodeError

NTP_EPOCH_S: Final = 2_208_988_800  # 1900 to 1970 (RFC 5905)
PACKET_OCTETS: Final = 44  # RFC 8762, 4.2.1: the sender pads to the reflector's length
PACKET_OCTETS_MAX: Final = 9_000
_SENDER = struct.Struct(">IQH")
_REFLECTOR = struct.Struct(">IQHHQIQHHB")
_UNSYNCHRONISED: Final = 0x0001  # RFC 4656, 4.1.2: S 0, scale 0, multiplier 1
_NS = 1_000_000_000


class Reflected(NamedTuple):
    """A reflector's answer; times in nanoseconds of UTC by the clock of who wrote them."""

    sequence: int
    sender_sequence: int
    sent_ns: int
    received_ns: int
    reflected_ns: int


def ntp(time_ns: int) -> int:
    """Nanoseconds of UTC as an NTP timestamp: seconds since 1900 and a fraction of 32 bits."""
    seconds, rest = divmod(time_ns, _NS)
    return ((seconds + NTP_EPOCH_S) & 0xFFFF_FFFF) << 32 | (rest << 32) // _NS


def from_ntp(stamp: int) -> int:
    """The same back, rounded to the nanosecond; times after 2036 are in the next era."""
    seconds = stamp >> 32
    seconds += 1 << 32 if seconds < NTP_EPOCH_S else 0
    return (seconds - NTP_EPOCH_S) * _NS + ((stamp & 0xFFFF_FFFF) * _NS + (1 << 31) >> 32)


def request(sequence: int, now_ns: int) -> bytes:
    return _SENDER.pack(sequence, ntp(now_ns), _UNSYNCHRONISED).ljust(PACKET_OCTETS, b"\0")


def reflect(octets: bytes, sequence: int | None, received_ns: int, now_ns: int, ttl: int = 255) -> bytes:
    """The reflector's packet for a sender's; `sequence` None: stateless, the sender's own is used (RFC 8762, 4.3). DecodeError."""
    if not _SENDER.size <= len(octets) <= PACKET_OCTETS_MAX:
        raise DecodeError("length")
    theirs, sent, estimate = _SENDER.unpack_from(octets)
    own = theirs if sequence is None else sequence
    made = _REFLECTOR.pack(own, ntp(now_ns), _UNSYNCHRONISED, 0, ntp(received_ns), theirs, sent, estimate, 0, ttl)
    return made.ljust(max(len(octets), PACKET_OCTETS), b"\0")


def reflected(octets: bytes) -> Reflected:
    """DecodeError when it is too short."""
    if len(octets) < _REFLECTOR.size:
        raise DecodeError("length")
    own, reflected_at, _, _, received, theirs, sent, _, _, _ = _REFLECTOR.unpack_from(octets)
    return Reflected(own, theirs, from_ntp(sent), from_ntp(received), from_ntp(reflected_at))
