"""Compiled reader of gNMI messages (SubscribeResponse, gnmi.proto 0.10) of the usual shape: updates of one number or word each.

A path is known by a hash over its octets and the prefix's: what it means is worked out once by the whole decoder. A message
with deletes, subtrees, lists or other values than these is left to the whole decoder altogether. Importing this module
compiles it (from the cache in a fraction of a second).
"""

from typing import Any, Final

import numba
import numpy as np

from collectors.codecs.snmp_kernels import OCTETS, Int, Octets, compiled

_types: Any = numba.types
INTEGER: Final = 1  # in `number`, never negative
FLOATING: Final = 2  # in `real`
WORD: Final = 3  # octets [at, stop) of the message, their hash in `number`
UPDATES_MAX: Final = 4_096  # of one message that is read here

ODD, FINE, SYNC = -1, 0, 1
_VARINT, _FIXED64, _OCTETS, _FIXED32 = 0, 1, 2, 5
_BASIS: Final = np.uint64(0xCBF29CE484222325)  # FNV-1a
_PRIME: Final = np.uint64(0x100000001B3)
_TABLES = (numba.uint64[::1], numba.uint8[::1], numba.uint64[::1], numba.float64[::1], numba.int64[:, ::1])


@compiled(_types.Tuple((numba.int64, numba.uint64)), OCTETS, numba.int64, numba.int64)
def _varint(data: Octets, pos: Int, stop: Int) -> tuple[Int, Int]:
    """(position behind it, value); position -1 when it does not end."""
    value, shift = np.uint64(0), np.uint64(0)
    while pos < stop and shift < np.uint64(70):
        octet = np.uint64(data[pos])
        pos += 1
        value |= (octet & np.uint64(0x7F)) << shift
        if octet < np.uint64(0x80):
            return pos, value
        shift += np.uint64(7)
    return np.int64(-1), np.uint64(0)


@compiled(_types.Tuple((numba.int64, numba.int64, numba.int64, numba.int64)), OCTETS, numba.int64, numba.int64)
def _field(data: Octets, pos: Int, stop: Int) -> tuple[Int, Int, Int, Int]:
    """(number << 3 | wire type, start and stop of the content, position behind it); -1 first when malformed."""
    bad = (np.int64(-1), np.int64(0), np.int64(0), np.int64(0))
    pos, tag = _varint(data, pos, stop)
    if pos < 0:
        return bad
    kind, start = np.int64(tag & np.uint64(7)), pos
    if kind == _VARINT:
        end, _ = _varint(data, pos, stop)
    elif kind == _OCTETS:
        start, length = _varint(data, pos, stop)
        if start < 0 or length > np.uint64(stop):
            return bad
        end = start + np.int64(length)
    elif kind == _FIXED64:
        end = pos + 8
    elif kind == _FIXED32:
        end = pos + 4
    else:
        return bad
    if end < 0 or end > stop or tag > np.uint64(1 << 20):
        return bad
    return np.int64(tag), start, end, end


@compiled(numba.uint64, OCTETS, numba.int64, numba.int64, numba.uint64)
def _hash(data: Octets, pos: Int, stop: Int, seed: Int) -> Int:
    found = seed
    for at in range(pos, stop):
        found = (found ^ np.uint64(data[at])) * _PRIME
    return found


@compiled(numba.int64, OCTETS, numba.int64, numba.int64, numba.int64, *_TABLES)
def _json(data: Octets, pos: Int, stop: Int, n: Int, paths: Any, kinds: Any, numbers: Any, reals: Any, words: Any) -> Int:
    """A JSON scalar: whole numbers, quoted or not (RFC 7951, 6.1), or a quoted word without escapes; ODD for anything else."""
    while pos < stop and (data[pos] == 32 or data[pos] == 10 or data[pos] == 13 or data[pos] == 9):
        pos += 1
    while stop > pos and (data[stop - 1] == 32 or data[stop - 1] == 10 or data[stop - 1] == 13 or data[stop - 1] == 9):
        stop -= 1
    quoted = stop - pos >= 2 and data[pos] == 34 and data[stop - 1] == 34
    if quoted:
        pos, stop = pos + 1, stop - 1
    if stop <= pos:
        return ODD
    value, is_number = np.uint64(0), stop - pos <= 19
    for at in range(pos, stop):
        octet = data[at]
        if octet == 92 or octet == 34:  # an escape, or a quote within
            return ODD
        if octet < 48 or octet > 57:
            is_number = False
        elif is_number:
            value = value * np.uint64(10) + np.uint64(octet - 48)
    if is_number:
        kinds[n], numbers[n] = INTEGER, value
        return FINE
    if not quoted:
        return ODD
    kinds[n], words[n, 0], words[n, 1], numbers[n] = WORD, pos, stop, _hash(data, pos, stop, _BASIS)
    return FINE


@compiled(numba.int64, OCTETS, numba.int64, numba.int64, numba.int64, *_TABLES)
def _value(data: Octets, pos: Int, stop: Int, n: Int, paths: Any, kinds: Any, numbers: Any, reals: Any, words: Any) -> Int:
    """The TypedValue in [pos, stop): exactly one field."""
    tag, start, end, after = _field(data, pos, stop)
    if tag < 0 or after != stop:
        return ODD
    number = tag >> 3
    if number == 2 or number == 3 or number == 4:  # int_val, uint_val, bool_val
        if tag & 7 != _VARINT:
            return ODD
        _, value = _varint(data, start, stop)
        if number == 2 and value >> np.uint64(63) != np.uint64(0):
            kinds[n], reals[n] = FLOATING, np.float64(np.int64(value))
        else:
            kinds[n], numbers[n] = INTEGER, value
        return FINE
    if (number == 14 and tag & 7 == _FIXED64) or (number == 6 and tag & 7 == _FIXED32):  # double_val, float_val
        bits = np.uint64(0)
        for at in range(end - 1, start - 1, -1):
            bits = bits << np.uint64(8) | np.uint64(data[at])
        numbers[n] = bits
        kinds[n] = FLOATING
        reals[n] = numbers[n : n + 1].view(np.float64)[0] if number == 14 else np.float64(numbers[n : n + 1].view(np.float32)[0])
        return FINE
    if tag & 7 != _OCTETS:
        return ODD
    if number == 10 or number == 11:  # json_val, json_ietf_val
        return _json(data, start, end, n, paths, kinds, numbers, reals, words)
    if number == 1 or number == 12:  # string_val, ascii_val
        kinds[n], words[n, 0], words[n, 1], numbers[n] = WORD, start, end, _hash(data, start, end, _BASIS)
        return FINE
    return ODD


@compiled(numba.int64, OCTETS, numba.int64, numba.int64, numba.int64, numba.uint64, *_TABLES)
def _update(data: Octets, pos: Int, stop: Int, n: Int, seed: Int, paths: Any, kinds: Any, numbers: Any, reals: Any, words: Any) -> Int:
    has_path, has_value = False, False
    while pos < stop:
        tag, start, end, pos = _field(data, pos, stop)
        if tag == 1 << 3 | _OCTETS and not has_path:
            paths[n], has_path = _hash(data, start, end, seed), True
        elif tag == 3 << 3 | _OCTETS and not has_value:
            if _value(data, start, end, n, paths, kinds, numbers, reals, words) == ODD:
                return ODD
            has_value = True
        elif tag != 4 << 3 | _VARINT:  # duplicates
            return ODD
    return FINE if has_path and has_value else ODD


@compiled(_types.Tuple((numba.int64, numba.int64, numba.int64)), OCTETS, *_TABLES)
def scan(data: Octets, paths: Any, kinds: Any, numbers: Any, reals: Any, words: Any) -> tuple[Int, Int, Int]:
    """(ODD, FINE or SYNC; the notification's timestamp; how many updates there are).

    `paths` u64[n] are hashes, `kinds` u8[n] of values, `numbers` u64[n], `reals` f64[n], `words` i64[n, 2]; each at least
    UPDATES_MAX long.
    """
    odd = (np.int64(ODD), np.int64(0), np.int64(0))
    tag, pos, stop, after = _field(data, 0, len(data))
    if tag == 3 << 3 | _VARINT and after == len(data):
        return np.int64(SYNC), np.int64(0), np.int64(0)
    if tag != 1 << 3 | _OCTETS or after != len(data):
        return odd
    timestamp, seed, n = np.int64(0), _BASIS, 0
    at = pos
    while at < stop:
        tag, start, end, at = _field(data, at, stop)
        if tag == 1 << 3 | _VARINT:
            _, found = _varint(data, start, stop)
            timestamp = np.int64(found)
        elif tag == 2 << 3 | _OCTETS:
            if n:
                return odd  # a prefix behind the updates it belongs to
            seed = _hash(data, start, end, _BASIS) | np.uint64(1)
        elif tag == 4 << 3 | _OCTETS:
            if n == UPDATES_MAX or _update(data, start, end, n, seed, paths, kinds, numbers, reals, words) == ODD:
                return odd
            n += 1
        elif tag != 6 << 3 | _VARINT:  # atomic
            return odd
    return np.int64(FINE), timestamp, np.int64(n)


WORDS: Final = 4_096  # places of the table of known words; at most half are taken
KNOWN_NONE: Final = np.float64(-1.0)
_LAYOUT = (numba.int64[::1], numba.uint64[::1], numba.uint8[::1], numba.uint8[::1])
_COLUMNS = (numba.int64[::1], numba.uint64[::1], numba.float64[::1], numba.uint64[::1], numba.uint8[::1])


@compiled(numba.int64, numba.uint64, numba.uint64[::1])
def place(key: Int, keys: Any) -> Int:
    """Where a word's key stands in the table, or the free place (key 0) where it would."""
    at = np.int64(key >> np.uint64(40)) & (WORDS - 1)
    while keys[at] != np.uint64(0) and keys[at] != key:
        at = (at + 1) & (WORDS - 1)
    return at


@compiled(numba.uint64, numba.uint64, numba.uint64)
def word_key(hashed: Int, series: Int) -> Int:
    """The key of a word of one metric, never 0: another metric may mean something else by it."""
    return (hashed ^ ((series & np.uint64(0xFF)) * np.uint64(0x9E3779B97F4A7C15))) | np.uint64(1)


@compiled(
    _types.Tuple((numba.int64, numba.int64, numba.int64)),
    *_LAYOUT,
    numba.uint8[::1],
    numba.uint64[::1],
    numba.float64[::1],
    numba.uint64[::1],
    numba.float64[::1],
    numba.int64,
    *_COLUMNS,
    numba.int64,
)
def fill(
    rows: Any,
    series: Any,
    counts: Any,
    width: Any,
    kinds: Any,
    numbers: Any,
    reals: Any,
    keys: Any,
    known: Any,
    time_ns: Int,
    to_time: Any,
    to_series: Any,
    to_value: Any,
    to_raw: Any,
    to_width: Any,
    at: Int,
) -> tuple[Int, Int, Int]:
    """Write the samples of a scanned message behind row `at` of the columns.

    (the row behind them; how many updates have no number; the layout's index of the first word that nobody knows, and then
    nothing counts: -1 for none). A counter that came as a word is such a word as well.
    """
    bad = np.int64(0)
    for i in range(len(rows)):
        row = rows[i]
        number, good = np.uint64(0), True
        if kinds[row] == INTEGER:
            number = numbers[row]
        elif kinds[row] == FLOATING:
            good = reals[row] >= 0.0 and reals[row] < 18446744073709551616.0
            number = np.uint64(reals[row]) if good else np.uint64(0)
        else:
            key = word_key(numbers[row], series[i])
            found = place(key, keys)
            if counts[i] or keys[found] != key:
                return at, bad, np.int64(i)
            good = known[found] >= 0.0
            number = np.uint64(known[found]) if good else np.uint64(0)
        if not good:
            bad += 1
            continue
        to_time[at], to_series[at] = time_ns, series[i]
        if counts[i]:
            to_value[at], to_raw[at], to_width[at] = np.nan, number, width[i]
        else:
            to_value[at], to_raw[at], to_width[at] = np.float64(number), np.uint64(0), np.uint8(0)
        at += 1
    return at, bad, np.int64(-1)
