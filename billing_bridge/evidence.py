"""A day's exact slots as one compact blob, named by its SHA-256.

    0  4s   "TLS1"
    4  u32  n, the number of slots                      (little endian throughout)
    8  i64  start of the first slot, UTC nanoseconds
   16  u64  line rate that capped the slots, bit/s, 0 unknown
   24  ...  zlib of: n u64 octets in, n u64 octets out, n u8 quality (mark | causes)

The hash is taken over header and *uncompressed* columns, so that it outlives the compressor.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from billing_bridge.slots import SLOT_NS, Slots

MAGIC = b"TLS1"
HEADER = struct.Struct("<4sIqQ")
SLOTS_MAX = 400  # a day of 25 hours has 300
ROW_BYTES = 17


class EvidenceError(ValueError):
    """The blob is not what `pack` writes, or not what its hash says."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`blob` as stored; `sha256` names it."""

    blob: bytes
    sha256: str


def pack(slots: Slots, speed_bps: int) -> Evidence:
    """The blob of at most SLOTS_MAX slots."""
    assert len(slots) <= SLOTS_MAX, len(slots)
    header = HEADER.pack(MAGIC, len(slots), slots.start_ns, speed_bps)
    columns = slots.in_octets.astype("<u8").tobytes() + slots.out_octets.astype("<u8").tobytes() + slots.quality.tobytes()
    return Evidence(header + zlib.compress(columns, 6), hashlib.sha256(header + columns).hexdigest())


def unpack(blob: bytes, sha256: str) -> Slots:
    """The slots of a blob; EvidenceError unless it is whole and bears that hash."""
    if len(blob) < HEADER.size or not blob.startswith(MAGIC):
        raise EvidenceError("no evidence blob")
    _, n, start_ns, _ = HEADER.unpack_from(blob)
    if n > SLOTS_MAX or start_ns % SLOT_NS:
        raise EvidenceError(f"{n} slots from {start_ns}")
    columns = _inflate(blob[HEADER.size :], n * ROW_BYTES)
    if hashlib.sha256(blob[: HEADER.size] + columns).hexdigest() != sha256:
        raise EvidenceError("the evidence is not what its hash says")
    octets = np.frombuffer(columns, "<u8", 2 * n).astype(np.uint64)
    return Slots(start_ns, octets[:n], octets[n:], np.frombuffer(columns, np.uint8, n, 16 * n))


def _inflate(data: bytes, size: int) -> bytes:
    """Exactly `size` bytes: a bomb is refused before it unfolds."""
    inflater = zlib.decompressobj()
    try:
        columns = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise EvidenceError(str(error)) from error
    if len(columns) != size or not inflater.eof:
        raise EvidenceError(f"{len(columns)} bytes of columns, not {size}")
    return columns
