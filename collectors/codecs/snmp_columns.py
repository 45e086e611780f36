"""Answers of a known shape as columns: which variables are wanted, and what they were, without an object for each.

`read` fills `tags` and `cells` (8 big-endian octets a variable) by the compiled kernel once `warm` has run,
and by the plain codec before that, so that nothing waits for a compiler. `numbers` makes columns of them.
"""

import os
import re
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.codecs import ber, snmp
from collectors.codecs.ber import DecodeError, Oid
from collectors.codecs.snmp import ErrorStatus, PduType

NOTHING: Final = 0
FLOAT32: Final = 0x78
FLOAT64: Final = 0x79
_SIGNED, _UNSIGNED, _FLOAT, _DOUBLE, _TEXT = 1, 2, 3, 4, 5

_KIND = np.zeros(256, np.uint8)
_KIND[ber.INTEGER] = _SIGNED
_KIND[[snmp.COUNTER32, snmp.GAUGE32, snmp.TIME_TICKS, snmp.COUNTER64, snmp.UINTEGER32]] = _UNSIGNED
_KIND[FLOAT32], _KIND[FLOAT64], _KIND[ber.OCTET_STRING] = _FLOAT, _DOUBLE, _TEXT

_NUMBER = re.compile(rb"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+))(?=$|[\0\s%A-Za-z\xb0\xc2])")

U8 = npt.NDArray[np.uint8]
_lock = threading.Lock()
_kernels: ModuleType | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names an answer must carry, in order: content octets end to end (u8) and where each begins (i32[n + 1])."""

    oids: tuple[Oid, ...]
    octets: U8
    at: npt.NDArray[np.int32]

    @classmethod
    def of(cls, oids: Sequence[Oid]) -> "Wanted":
        contents = [ber.oid_content(oid) for oid in oids]
        at = np.cumsum([0, *map(len, contents)]).astype(np.int32)
        return cls(tuple(oids), np.frombuffer(b"".join(contents), np.uint8), at)


def warm(cache: Path | None = None) -> None:
    """Load the compiled kernels, once, from any thread; `cache` is where their machine code is kept between runs.

    NUMBA_CACHE_DIR, when set, wins.
    """
    global _kernels
    if cache is not None:
        os.environ.setdefault("NUMBA_CACHE_DIR", str(cache))
    with _lock:
        if _kernels is None:
            from collectors.codecs import snmp_kernels

            _kernels = snmp_kernels


def read(data: bytes, start: int, stop: int, wanted: Wanted, tags: U8, cells: U8, slot: int) -> None:
    """The Response PDU in data[start:stop] into `tags` and `cells` from `slot` on.

    DecodeError with reason malformed, mismatch (another shape than wanted), or the name of the error-status.
    """
    if _kernels is None:
        _read_plain(data, start, stop, wanted, tags, cells, slot)
        return
    octets = np.frombuffer(data, np.uint8)
    count = _kernels.read_answer(octets, start, stop, wanted.octets, wanted.at, tags, cells, slot)
    if count >= 0:
        return
    if count == _kernels.ERROR_STATUS:
        raise DecodeError(_status(snmp.decode_pdu(data, start, stop).error_status))
    raise DecodeError("mismatch" if count == _kernels.MISMATCH else "malformed")


def _read_plain(data: bytes, start: int, stop: int, wanted: Wanted, tags: U8, cells: U8, slot: int) -> None:
    pdu = snmp.decode_pdu(data, start, stop)
    if pdu.type is not PduType.RESPONSE:
        raise DecodeError("malformed", pdu.type.name)
    if pdu.error_status:
        raise DecodeError(_status(pdu.error_status))
    if tuple(varbind.oid for varbind in pdu.varbinds) != wanted.oids:
        raise DecodeError("mismatch")
    put(pdu.varbinds, tags, cells, slot)


def put(varbinds: Sequence[snmp.VarBind], tags: U8, cells: U8, slot: int) -> None:
    """Decoded variables into `tags` and `cells` from `slot` on."""
    for i, (_, tag, value) in enumerate(varbinds, slot):
        octets = bytes(8)
        if isinstance(value, float):
            tag, octets = FLOAT64, struct.pack(">d", value)
        elif isinstance(value, int):
            octets = value.to_bytes(8, signed=value < 0)
        elif isinstance(value, bytes) and tag == ber.OCTET_STRING:
            octets = value[:8].ljust(8, b"\0")
        tags[i] = tag
        cells[8 * i : 8 * i + 8] = np.frombuffer(octets, np.uint8)


def _status(status: int) -> str:
    try:
        return ErrorStatus(status).name.lower()
    except ValueError:
        return "error_status"


def numbers(tags: U8, cells: U8) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """(raw u64, value f64, is a number) of each variable; text counts when it begins with a number (`text_number`)."""
    kind = _KIND[tags]
    raw = cells.view(">u8").astype(np.uint64)
    value = np.where(kind == _SIGNED, raw.view(np.int64), raw).astype(np.float64)
    value[kind == _UNSIGNED] = raw[kind == _UNSIGNED]
    for slot in np.flatnonzero(kind >= _FLOAT):
        octets = cells[8 * slot : 8 * slot + 8].tobytes()
        value[slot] = _float(int(kind[slot]), octets)
    is_number = (kind != NOTHING) & np.isfinite(value)
    return raw, value, is_number


def _float(kind: int, octets: bytes) -> float:
    if kind == _FLOAT:
        return float(struct.unpack(">f", octets[4:])[0])
    if kind == _DOUBLE:
        return float(struct.unpack(">d", octets)[0])
    return text_number(octets)


def text_number(octets: bytes) -> float:
    """The number that a text begins with, alone or before a unit; NaN where it has none, or may go on beyond 8 octets."""
    found = _NUMBER.match(octets[:8])
    if found is None or (found.end() == 8 and b"." not in found[1]):
        return float("nan")
    return float(found[1])
