"""The outside of a v2c trap or inform, cut without looking into its variables: what repeats in a flood is decoded once.

Only the usual shape is known here (RFC 1901, RFC 3416); of anything else the whole decoder says what it is, or what is wrong.
"""

from typing import Final, NamedTuple

_V2C: Final = b"\x02\x01\x01"
_NO_ERROR: Final = b"\x02\x01\x00\x02\x01\x00"
_UPTIME: Final = b"\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x43"  # sysUpTime.0 and the tag of its ticks
INFORM, TRAP, RESPONSE = 0xA6, 0xA7, 0xA2


class PlainNotice(NamedTuple):
    """`said` are the octets of the variables behind sysUpTime: all that the message says but when; the PDU begins `at`."""

    community: bytes
    tag: int
    at: int
    said: bytes


def outside(data: bytes) -> PlainNotice | None:
    """The parts of a v2c notification of the usual shape, None for anything else; never raises."""
    try:
        stop, pos = _content(data, 0, 0x30)
        if stop > len(data) or data[pos : pos + 3] != _V2C:
            return None
        community, end = pos + 5, pos + 5 + data[pos + 4]
        if data[pos + 3] != 0x04 or data[pos + 4] > 127 or data[end] not in (INFORM, TRAP):
            return None
        inner, pos = _content(data, end, data[end])
        if inner != stop or data[pos] != 0x02 or not 1 <= data[pos + 1] <= 4:
            return None
        pos += 2 + data[pos + 1]
        if data[pos : pos + 6] != _NO_ERROR:
            return None
        inner, pos = _content(data, pos + 6, 0x30)
        if inner != stop:
            return None
    except (IndexError, _OddError):
        return None
    if data[pos + 2 : pos + 13] == _UPTIME and data[pos] == 0x30 and data[pos + 1] == 12 + data[pos + 13] and 1 <= data[pos + 13] <= 5:
        pos += 2 + data[pos + 1]
    return PlainNotice(data[community:end], data[end], end, data[pos:stop])


def answer(data: bytes, notice: PlainNotice) -> bytes:
    """The Response to an inform: the same message with another PDU tag (RFC 3416, 4.2.7)."""
    return data[: notice.at] + bytes((RESPONSE,)) + data[notice.at + 1 :]


class _OddError(Exception):
    """A tag or a length that the usual shape does not have."""


def _content(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """(stop, start) of the content of a TLV with lengths of up to two octets."""
    if data[at] != tag:
        raise _OddError
    length = data[at + 1]
    if length < 0x80:
        return at + 2 + length, at + 2
    if length == 0x81:
        return at + 3 + data[at + 2], at + 3
    if length == 0x82:
        return at + 4 + (data[at + 2] << 8 | data[at + 3]), at + 4
    raise _OddError
