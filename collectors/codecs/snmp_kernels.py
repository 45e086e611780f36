"""Compiled readers of SNMP answers. Importing this module compiles them (1-2 s, from the cache 0.4 s): see `snmp_columns.warm`.

Explicit signatures, no GIL, no Python object per variable. Where the cache folder cannot be written they are
compiled in memory. With NUMBA_DISABLE_JIT=1 the same functions run as Python.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy.typing as npt

MALFORMED: Final = -1
MISMATCH: Final = -2
ERROR_STATUS: Final = -3

F = TypeVar("F", bound=Callable[..., Any])
_OCTETS = "Array(uint8, 1, 'C', readonly=True)"
Octets = npt.NDArray[Any]


def _compiled(signature: str) -> Callable[[F], F]:
    def compile_(function: F) -> F:
        try:
            made: Any = numba.njit(signature, nogil=True, cache=True)(function)
        except RuntimeError:  # no folder for the cache can be written
            made = numba.njit(signature, nogil=True)(function)
        return cast("F", made)

    return compile_


@_compiled(f"UniTuple(int64, 2)({_OCTETS}, int64, int64)")
def content(data: Octets, pos: int, end: int) -> tuple[int, int]:
    """(start, stop) of the value at `pos`; start is -1 where it does not fit before `end`."""
    if pos + 2 > end:
        return -1, 0
    length = int(data[pos + 1])
    start = pos + 2
    if length >= 0x80:
        octets = length & 0x7F
        if octets == 0 or octets > 4 or start + octets > end:
            return -1, 0
        length = 0
        for i in range(octets):
            length = length << 8 | int(data[start + i])
        start += octets
    if length > end - start:
        return -1, 0
    return start, start + length


@_compiled("int64(uint8[::1], int64, int64)")
def _cut_to_32_bits(cells: Octets, cell: int, tag: int) -> int:
    """A 32-bit number: four octets of zeros ahead, or of ones when the agent sent it sign-extended."""
    ones = cells[cell + 4] & 0x80 != 0
    for i in range(4):
        octet = cells[cell + i]
        if octet == 0xFF and ones:
            cells[cell + i] = 0
        elif octet != 0:
            return MALFORMED
    return tag


@_compiled(f"int64({_OCTETS}, int64, int64, int64, uint8[::1], int64)")
def put_number(data: Octets, tag: int, start: int, stop: int, cells: Octets, cell: int) -> int:
    """Write the number in data[start:stop] as 8 big-endian octets; return the tag it is to be read by, or MALFORMED.

    Opaque floats get the tags 0x78 (float, in the last four octets) and 0x79 (double); text keeps its first octets.
    """
    fill = 0
    length = stop - start
    if tag == 0x44:
        if length == 7 and data[start] == 0x9F and data[start + 1] == 0x78 and data[start + 2] == 4:
            tag, start = 0x78, start + 3
        elif length == 11 and data[start] == 0x9F and data[start + 1] == 0x79 and data[start + 2] == 8:
            tag, start = 0x79, start + 3
        else:
            return tag
        length = stop - start
    elif tag == 0x04:
        length = min(length, 8)
        for i in range(8):
            cells[cell + i] = data[start + i] if i < length else 0
        return tag
    elif tag == 0x02 or tag == 0x41 or tag == 0x42 or tag == 0x43 or tag == 0x46 or tag == 0x47:
        if length < 1 or length > 9 or (length == 9 and (tag == 0x02 or data[start] != 0)):
            return MALFORMED
        if length == 9:
            start, length = start + 1, 8
        if tag == 0x02 and data[start] & 0x80:
            fill = 0xFF
    else:
        return tag
    for i in range(8):
        cells[cell + i] = fill if i < 8 - length else data[start + i - (8 - length)]
    if tag == 0x41 or tag == 0x42 or tag == 0x43 or tag == 0x47:
        return _cut_to_32_bits(cells, cell, tag)
    return tag


@_compiled(f"int64({_OCTETS}, int64, int64, {_OCTETS}, int32[::1], uint8[::1], uint8[::1], int64)")
def _read_variables(data: Octets, pos: int, end: int, wanted: Octets, wanted_at: Octets, tags: Octets, cells: Octets, slot: int) -> int:
    """The variable bindings in data[pos:end], each against its wanted name."""
    count = len(wanted_at) - 1
    i = 0
    while pos < end:
        if i >= count or data[pos] != 0x30:
            return MISMATCH if i >= count else MALFORMED
        name_at, bind_end = content(data, pos, end)
        name, name_end = content(data, name_at, bind_end) if name_at >= 0 else (-1, 0)
        if name < 0 or data[name_at] != 0x06:
            return MALFORMED
        value, value_end = content(data, name_end, bind_end)
        if value < 0 or value_end != bind_end:
            return MALFORMED
        expected, length = wanted_at[i], name_end - name
        if wanted_at[i + 1] - expected != length:
            return MISMATCH
        for j in range(length):
            if data[name + j] != wanted[expected + j]:
                return MISMATCH
        tag = put_number(data, int(data[name_end]), value, value_end, cells, (slot + i) * 8)
        if tag < 0:
            return MALFORMED
        tags[slot + i] = tag
        pos = bind_end
        i += 1
    return i if i == count else MISMATCH


@_compiled(f"int64({_OCTETS}, int64, int64, {_OCTETS}, int32[::1], uint8[::1], uint8[::1], int64)")
def read_answer(data: Octets, start: int, stop: int, wanted: Octets, wanted_at: Octets, tags: Octets, cells: Octets, slot: int) -> int:
    """Read the Response PDU in data[start:stop] into `tags` and `cells` from `slot` on; return the number of variables.

    Variable i must be named by the octets wanted[wanted_at[i]:wanted_at[i + 1]]: an answer of another shape is
    MISMATCH, one with an error-status ERROR_STATUS, one that does not parse MALFORMED. All octets are accounted for.
    """
    pos, end = content(data, start, stop)
    if pos < 0 or data[start] != 0xA2 or end != stop:
        return MALFORMED
    for i in range(3):
        value, after = content(data, pos, end)
        if value < 0 or data[pos] != 0x02 or after == value:
            return MALFORMED
        if i == 1:
            for j in range(value, after):
                if data[j] != 0:
                    return ERROR_STATUS
        pos = after
    first, last = content(data, pos, end)
    if first < 0 or data[pos] != 0x30 or last != end:
        return MALFORMED
    return _read_variables(data, first, last, wanted, wanted_at, tags, cells, slot)
