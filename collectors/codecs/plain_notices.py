"""The outside of a v2c trap or inform, cut without looking into its variables: what repeats in a flood is decoded once.

Only the usual shape is known here (RFC 1901, RFC 3416); of anything else the whole decoder says what it is, or what is wrong.
"""

from typing import Final, NamedTuple

_V2C: Final = b"\x02\x01\x01\x04"  # the version and the tag of the community
_NO_ERROR: Final = b"\x02\x01\x00\x02\x01\x00\x30"  # no error, and the tag of the variables
_UPTIME: Final = b"\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x43"  # sysUpTime.0 and the tag of its ticks
INFORM, TRAP, RESPONSE = 0xA6, 0xA7, 0xA2
_TAGS: Final = (INFORM, TRAP)


class PlainNotice(NamedTuple):
    """`said` are the octets of the variables behind sysUpTime: all that the message says but when; the PDU begins `at`."""

    community: bytes
    tag: int
    at: int
    said: bytes


def outside(data: bytes) -> PlainNotice | None:
    """The parts of a v2c notification of the usual shape, None for anything else; never raises."""
    try:
        size = data[1]
        pos, stop = (2, 2 + size) if size < 0x80 else _long(data, 1)
        end = pos + 5 + data[pos + 4]
        tag = data[end]
        if data[0] != 0x30 or stop > len(data) or data[pos : pos + 4] != _V2C or data[pos + 4] > 127 or tag not in _TAGS:
            return None
        size = data[end + 1]
        at, inner = (end + 2, end + 2 + size) if size < 0x80 else _long(data, end + 1)
        size = data[at + 1]
        at += 2 + size
        if inner != stop or data[at - size - 2] != 0x02 or not 1 <= size <= 4 or data[at : at + 7] != _NO_ERROR:
            return None
        size = data[at + 7]
        at, inner = (at + 8, at + 8 + size) if size < 0x80 else _long(data, at + 7)
    except IndexError:
        return None
    if inner != stop:
        return None
    if data[at + 2 : at + 13] == _UPTIME and data[at] == 0x30 and data[at + 1] == 12 + data[at + 13] and 1 <= data[at + 13] <= 5:
        at += 2 + data[at + 1]
    return PlainNotice(data[pos + 5 : end], tag, end, data[at:stop])


def answer(data: bytes, notice: PlainNotice) -> bytes:
    """The Response to an inform: the same message with another PDU tag (RFC 3416, 4.2.7)."""
    return data[: notice.at] + bytes((RESPONSE,)) + data[notice.at + 1 :]


def _long(data: bytes, at: int) -> tuple[int, int]:
    """(start, stop) of the content whose length, of one or two octets behind the first, stands at `at`; (0, -1) for others."""
    if data[at] == 0x81:
        return at + 2, at + 2 + data[at + 1]
    return (at + 3, at + 3 + (data[at + 1] << 8 | data[at + 2])) if data[at] == 0x82 else (0, -1)
