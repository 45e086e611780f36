"""Compiled steps that read one answer: its outside, and the variables that were asked, into `scratch`.

`sheets` (arena, questions, slots) and `scratch` (raw, value, kind of the variables of one answer) are tables of `wire_state`.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from collectors.codecs.octet_kernels import number_before, octet, word
from collectors.codecs.snmp_kernels import INTEGER, INTEGER_32, INTEGER_64, OCTETS, Int, compiled, content, number, small
from collectors.snmp.wire_state import ERROR_STATUS, GUARD, MALFORMED, MATCHED, MISMATCH, QUESTION, SLOT, UNMATCHED

_types: Any = numba.types
Array = npt.NDArray[Any]
Tables = tuple[Array, ...]


def table(dtype: np.dtype[Any]) -> Any:
    """The type of a table of these rows, for signatures."""
    return _types.Array(numba.from_dtype(dtype), 1, "C")


_INT, _U8 = numba.int64, numba.uint8[::1]
SHEETS = _types.Tuple((_U8, table(QUESTION), table(SLOT)))
SCRATCH = _types.Tuple((numba.uint64[::1], numba.float64[::1], numba.int64[::1]))
_NUMBER = _types.Tuple((numba.int64, numba.uint64, numba.float64))
_MESSAGE = _types.UniTuple(_INT, 6)


@compiled(_MESSAGE, OCTETS, _INT, _INT)
def message(data: Array, at: Int, end: Int) -> tuple[Int, Int, Int, Int, Int, Int]:
    """(version, id, start and stop of the community, of the PDU) of one message; version -1 where it is none.

    Of a v3 message the id is its msgID. Octets after the message are padding of some agents and are ignored.
    """
    bad = (-1, 0, 0, 0, 0, 0)
    start, stop = content(data, at, end)
    if start < 0 or data[at] != 0x30:
        return bad
    first, pos = content(data, start, stop)
    if first < 0 or data[start] != 0x02:
        return bad
    version = small(data, first, pos)
    if version == 3:
        head, head_end = content(data, pos, stop)
        if head < 0 or data[pos] != 0x30:
            return bad
        first, last = content(data, head, head_end)
        if first < 0 or data[head] != 0x02:
            return bad
        return version, small(data, first, last), 0, 0, pos, stop
    community, pdu = content(data, pos, stop)
    if community < 0 or data[pos] != 0x04 or version < 0:
        return bad
    inner, inner_end = content(data, pdu, stop)
    if inner < 0:
        return bad
    first, last = content(data, inner, inner_end)
    if first < 0 or data[inner] != 0x02:
        return bad
    return version, small(data, first, last), community, pdu, pdu, stop


@compiled(_types.UniTuple(_INT, 3), OCTETS, _INT, _INT, _INT)
def _variable(data: Array, at: Int, end: Int, length: Int) -> tuple[Int, Int, Int]:
    """(name, start and stop of the value) of the variable at `at`, whose name has `length` octets; else -reason first."""
    bound, bound_end = content(data, at, end)
    name, name_end = content(data, bound, bound_end) if bound >= 0 else (-1, 0)
    if name < 0 or data[at] != 0x30 or data[bound] != 0x06:
        return -MALFORMED, 0, 0
    held, held_end = content(data, name_end, bound_end)
    if held < 0 or held_end != bound_end:
        return -MALFORMED, 0, 0
    if name_end - name != length:
        return -MISMATCH, 0, 0
    return name, held, held_end


@compiled(numba.boolean, OCTETS, _INT, _U8, _INT, _INT, inlined=True)
def _equal(data: Array, at: Int, arena: Array, there: Int, n: Int) -> Any:
    """Whether n octets of both are the same: word by word, the last of them overlapping."""
    if n < 8:
        different = np.int64(0)
        for i in range(n):
            different |= octet(data, at + i) ^ octet(arena, there + i)
        return different == 0
    unlike = (word(data, at) ^ word(arena, there)) | (word(data, at + n - 8) ^ word(arena, there + n - 8))
    for i in range(8, n - 8, 8):
        unlike |= word(data, at + i) ^ word(arena, there + i)
    return unlike == 0


@compiled(_INT, OCTETS, _INT, _INT, _U8, _INT, _INT, inlined=True)
def _usual(data: Array, at: Int, end: Int, arena: Array, name: Int, length: Int) -> Int:
    """Where the value of the variable at `at` begins, if every length takes one octet and its name is the one in the arena; else -1.

    Nearly always it is so: the first four octets (SEQUENCE, length, OBJECT IDENTIFIER, length) are looked at as one number.
    """
    value = at + 6 + length
    if length < 2 or length >= 0x80 or value > end:
        return -1
    head = np.int64(number_before(data, at + 8) >> np.uint64(32))
    stop = at + 2 + (head >> 16 & 0x7F)
    if head & 0xFF80FFFF != 0x30000600 | length or stop > end or value + octet(data, value - 1) != stop:
        return -1
    return value if _equal(data, at + 4, arena, name, length) else -1


@compiled(_NUMBER, OCTETS, _INT, _INT, _INT, inlined=True)
def _number(data: Array, tag: Int, start: Int, stop: Int) -> tuple[Int, Int, Any]:
    """`number` of the shapes that nearly all have, read by one word."""
    if stop - start >= 1 and stop - start <= 8 and start >= 8:
        raw = number_before(data, stop) & (~np.uint64(0) >> np.uint64(64 - 8 * (stop - start)))
        if tag == 0x46:
            return INTEGER_64, raw, float(raw)
        if (tag == 0x41 or tag == 0x42 or tag == 0x43) and raw >> np.uint64(32) == 0:
            return INTEGER_32, raw, float(raw)
        if tag == 0x02 and octet(data, start) < 0x80:
            return INTEGER, raw, float(raw)
    return number(data, tag, start, stop)


@compiled(numba.boolean, OCTETS, _INT, _INT, _U8, table(SLOT), _INT)
def _same(data: Array, start: Int, stop: Int, arena: Array, slots: Array, slot_no: Int) -> Any:
    """Whether the name in data[start:stop] is the one that a slot expects."""
    slot = slots[slot_no]
    if stop - start != slot["expect_octets"]:
        return False
    return _equal(data, start, arena, slot["expect"], stop - start)


@compiled(_INT, OCTETS, _INT, _INT, _INT, SHEETS, SCRATCH)
def read(data: Array, start: Int, stop: Int, question_no: Int, sheets: Tables, scratch: Tables) -> Int:
    """Read the Response PDU in data[start:stop] into `scratch`; return the number of variables or what is wrong.

    Each variable must carry the name that was asked, in order, and all octets must be accounted for.
    """
    arena, questions, slots = sheets
    raw, value, kind = scratch
    question = questions[question_no]
    pos, end = content(data, start, stop)
    if pos < 0 or data[start] != 0xA2 or end != stop:
        return -MALFORMED
    for i in range(3):
        first, after = content(data, pos, end)
        if first < 0 or data[pos] != 0x02 or after == first:
            return -MALFORMED
        if i == 1:
            status = small(data, first, after)
            if status != 0:
                return -(ERROR_STATUS | (status & 0xFF) << 8)
        pos = after
    at, last = content(data, pos, end)
    if at < 0 or data[pos] != 0x30 or last != end:
        return -MALFORMED
    names = question["names"]
    for i in range(question["count"]):
        if at >= end:
            return -MISMATCH
        length = octet(arena, names) << 8 | octet(arena, names + 1)
        held = _usual(data, at, end, arena, names + 2, length)
        if held >= 0:
            tag, held_end = octet(data, held - 2), held + octet(data, held - 1)
        else:
            name, held, held_end = _variable(data, at, end, length)
            if name < 0:
                return name
            if not _equal(data, name, arena, names + 2, length):
                return -MISMATCH
            tag = octet(data, name + length)
        names += 2 + length
        if tag == 0x04 and slots[question["slot"] + i]["use"] & GUARD:
            kind[i] = MATCHED if _same(data, held, held_end, arena, slots, question["slot"] + i) else UNMATCHED
        else:
            kind[i], raw[i], value[i] = _number(data, tag, held, held_end)
        if kind[i] < 0:
            return -MALFORMED
        at = held_end
    return question["count"] if at == end else -MISMATCH
