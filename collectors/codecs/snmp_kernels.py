"""Compiled readers of BER and of SNMP's numbers. Importing this module compiles them (from the cache 0.4 s).

Explicit signatures, no GIL, no Python object. Where the cache folder cannot be written they are compiled in
memory. With NUMBA_DISABLE_JIT=1 the same functions run as Python.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

_types: Any = numba.types
MALFORMED: Final = -1
NOTHING: Final = 0  # no number: a name, an address, text
INTEGER: Final = 1  # of no stated width
FLOATING: Final = 2
INTEGER_32: Final = 3
INTEGER_64: Final = 4  # exceptions are their own tag, 0x80 and above
_TEXT_MAX: Final = 32  # characters of a number written as text

F = TypeVar("F", bound=Callable[..., Any])
Octets = npt.NDArray[Any]
Int = Any
"""A machine integer; its width is in the signature."""
OCTETS = _types.Array(numba.uint8, 1, "C", readonly=True)


def compiled(result: Any, *arguments: Any, inlined: bool = False) -> Callable[[F], F]:
    """Compile a function for one signature, and keep its machine code where that can be kept; `inlined` into those that call it."""

    def compile_(function: F) -> F:
        signature = _types.void(*arguments) if result is None else result(*arguments)
        try:
            made: Any = numba.njit(signature, nogil=True, cache=True, forceinline=inlined)(function)
        except RuntimeError:  # no folder for the cache can be written
            made = numba.njit(signature, nogil=True, forceinline=inlined)(function)
        return cast("F", made)

    return compile_


_SPAN = _types.UniTuple(numba.int64, 2)
_NUMBER = _types.Tuple((numba.int64, numba.uint64, numba.float64))


@compiled(_SPAN, OCTETS, numba.int64, numba.int64)
def content(data: Octets, pos: Int, end: Int) -> tuple[Int, Int]:
    """(start, stop) of the value at `pos`; start is -1 where it does not fit before `end`."""
    if pos + 2 > end:
        return -1, 0
    length = np.int64(data[pos + 1])
    start = pos + 2
    if length >= 0x80:
        octets = length & 0x7F
        if octets == 0 or octets > 4 or start + octets > end:
            return -1, 0
        length = np.int64(0)
        for i in range(octets):
            length = length << 8 | np.int64(data[start + i])
        start += octets
    if length > end - start:
        return -1, 0
    return start, start + length


@compiled(numba.int64, OCTETS, numba.int64, numba.int64)
def small(data: Octets, start: Int, stop: Int) -> Int:
    """The INTEGER in data[start:stop] when it has at most five octets and is not negative, else -1."""
    if stop - start < 1 or stop - start > 5 or data[start] & 0x80:
        return -1
    value = np.int64(0)
    for i in range(start, stop):
        value = value << 8 | np.int64(data[i])
    return value


@compiled(numba.float64, numba.uint64)
def _signed(raw: Int) -> Any:
    if raw >> np.uint64(63):
        return -float(~raw) - 1.0
    return float(raw)


@compiled(_NUMBER, OCTETS, numba.int64, numba.int64, numba.int64)
def _integer(data: Octets, tag: Int, start: Int, stop: Int) -> tuple[Int, Int, Any]:
    length = stop - start
    nine_octets_of: Int = 0x100
    if length == 9 and tag != 0x02:
        nine_octets_of = np.int64(data[start])
        if nine_octets_of != 0 and (nine_octets_of != 0xFF or not data[start + 1] & 0x80):
            return MALFORMED, np.uint64(0), 0.0
        start += 1
    elif length < 1 or length > 8:
        return MALFORMED, np.uint64(0), 0.0
    raw = np.uint64(0)
    for i in range(start, stop):
        raw = raw << np.uint64(8) | np.uint64(data[i])
    if tag == 0x02:
        if data[start] & 0x80 and length < 8:
            raw |= ~np.uint64(0) << np.uint64(8 * length)
        return INTEGER, raw, _signed(raw)
    if tag != 0x46 and raw >> np.uint64(32):  # 32 bits: only a sign-extended one may be longer
        bits = 8 * min(length, 8)
        ones = raw >> np.uint64(31) == (np.uint64(1) << np.uint64(bits - 31)) - np.uint64(1)
        if not ones or nine_octets_of == 0:
            return MALFORMED, np.uint64(0), 0.0
        raw &= np.uint64(0xFFFF_FFFF)
    return INTEGER_64 if tag == 0x46 else INTEGER_32, raw, float(raw)


@compiled(_NUMBER, OCTETS, numba.int64, numba.int64)
def _opaque(data: Octets, start: Int, stop: Int) -> tuple[Int, Int, Any]:
    """A float or double wrapped by net-snmp's convention (0x9f 0x78, 0x9f 0x79) when it is finite."""
    single = stop - start == 7 and data[start + 1] == 0x78 and data[start + 2] == 4
    double = stop - start == 11 and data[start + 1] == 0x79 and data[start + 2] == 8
    if not (single or double) or data[start] != 0x9F:
        return NOTHING, np.uint64(0), 0.0
    bits = np.uint64(0)
    for i in range(start + 3, stop):
        bits = bits << np.uint64(8) | np.uint64(data[i])
    fraction_bits, exponent_bits = (23, 8) if single else (52, 11)
    exponent: Int = np.int64(bits >> np.uint64(fraction_bits)) & ((1 << exponent_bits) - 1)
    fraction = np.int64(bits & ((np.uint64(1) << np.uint64(fraction_bits)) - np.uint64(1)))
    if exponent == (1 << exponent_bits) - 1:
        return NOTHING, np.uint64(0), 0.0
    if exponent:
        fraction += 1 << fraction_bits
    else:
        exponent = 1
    value = math.ldexp(float(fraction), int(exponent - fraction_bits - (1 << (exponent_bits - 1)) + 1))
    return FLOATING, np.uint64(0), -value if bits >> np.uint64(fraction_bits + exponent_bits) else value


@compiled(numba.boolean, numba.int64)
def _is_blank(octet: Int) -> Any:
    return octet == 0x20 or (octet >= 0x09 and octet <= 0x0D)


@compiled(numba.boolean, numba.int64)
def _may_follow(octet: Int) -> Any:
    """What may stand after a number: a NUL, a blank or the begin of a unit (%, a letter, the degree sign in Latin-1 and UTF-8)."""
    letter = (octet | 0x20) >= 0x61 and (octet | 0x20) <= 0x7A
    return octet == 0 or _is_blank(octet) or octet == 0x25 or letter or octet == 0xB0 or octet == 0xC2


@compiled(_NUMBER, OCTETS, numba.int64, numba.int64)
def decimal(data: Octets, start: Int, stop: Int) -> tuple[Int, Int, Any]:
    """The number a text begins with, as `snmp_columns.text_number` reads it; else NOTHING."""
    end = min(stop, start + _TEXT_MAX)
    pos = start
    while pos < end and _is_blank(np.int64(data[pos])):
        pos += 1
    negative = pos < end and data[pos] == 0x2D
    if pos < end and (data[pos] == 0x2D or data[pos] == 0x2B):
        pos += 1
    value, scale, digits, point = 0.0, 1.0, 0, False
    while pos < end:
        octet = np.int64(data[pos])
        if octet == 0x2E and not point:
            point = True
        elif octet >= 0x30 and octet <= 0x39:
            value = value * 10 + (octet - 0x30)
            scale = scale * 10 if point else scale
            digits += 1
        else:
            break
        pos += 1
    cut = pos == start + _TEXT_MAX and not point
    if digits == 0 or cut or (pos < end and not _may_follow(np.int64(data[pos]))):
        return NOTHING, np.uint64(0), 0.0
    value = -value / scale if negative else value / scale
    if value >= 0 and value == math.floor(value) and value < 9007199254740992.0:
        return INTEGER, np.uint64(value), value
    return FLOATING, np.uint64(0), value


@compiled(_NUMBER, OCTETS, numba.int64, numba.int64, numba.int64)
def number(data: Octets, tag: Int, start: Int, stop: Int) -> tuple[Int, Int, Any]:
    """(kind, raw, value) of one variable: one of the INTEGERs with its 64 bits, FLOATING, an exception's tag, NOTHING or MALFORMED.

    The same numbers are taken as by `ber.signed` and `ber.unsigned`: a missing leading zero, sign-extended
    32-bit numbers, Opaque floats, and text that is one decimal number.
    """
    if tag == 0x02 or tag == 0x41 or tag == 0x42 or tag == 0x43 or tag == 0x46 or tag == 0x47:
        return _integer(data, tag, start, stop)
    if tag == 0x44:
        return _opaque(data, start, stop)
    if tag == 0x04:
        return decimal(data, start, stop)
    if tag == 0x80 or tag == 0x81 or tag == 0x82:
        return tag, np.uint64(0), 0.0
    if tag == 0x05 or tag == 0x06 or tag == 0x40 or tag == 0x45:
        return NOTHING, np.uint64(0), 0.0
    return MALFORMED, np.uint64(0), 0.0
