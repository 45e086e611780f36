"""A SampleBatch as a block: columns as short as they are, no object per sample.

    "TS" | format u8 | flags u8 | rows u32 | time | series | word | is_gauge u8 | [raw] | uptime | discontinuity | width u8 | quality u8

`word` is a gauge's value as its 64 bits, else the counter's integer; `raw` is there (flag BOTH) when some row has both.
What a collector sends has no increase yet, so `delta` does not travel.
"""

import struct
from typing import Final

import numpy as np

from station.batch import SampleBatch
from station.bus.columns import BlockError, Reader, packed

ROWS_MAX: Final = 1 << 20
BLOCK_OCTETS: Final = 900_000  # a server takes messages of 1 MB by default
_HEAD: Final = struct.Struct("<2sBBI")
_MAGIC: Final = b"TS"
_FORMAT: Final = 1
_BOTH: Final = 1


def encode(batch: SampleBatch) -> bytes:
    """The block of a batch fresh from a collector."""
    assert len(batch) <= ROWS_MAX and not batch.delta.any(), "a collector's batch, not a rated one"
    is_gauge = ~np.isnan(batch.value)
    both = bool((batch.raw[is_gauge] != 0).any())
    word = np.where(is_gauge, batch.value.view(np.uint64), 0 if both else batch.raw)
    head = _HEAD.pack(_MAGIC, _FORMAT, _BOTH if both else 0, len(batch))
    columns = [batch.time_ns, batch.series, word, is_gauge.view(np.uint8), *([batch.raw] if both else [])]
    columns += [batch.uptime_cs, batch.discontinuity_cs, batch.width, batch.quality]
    return head + b"".join(map(packed, columns))


def encode_all(batch: SampleBatch, most: int = BLOCK_OCTETS) -> list[tuple[SampleBatch, bytes]]:
    """The batch in parts, in order, each with its block of at most `most` octets."""
    block = encode(batch) if len(batch) <= ROWS_MAX else b""
    if block and (len(block) <= most or len(batch) == 1):
        return [(batch, block)]
    rows = np.arange(len(batch))
    half = len(batch) // 2
    return [*encode_all(batch.take(rows[:half]), most), *encode_all(batch.take(rows[half:]), most)]


def decode(block: bytes) -> SampleBatch:
    """The batch of a block; BlockError for anything else."""
    if len(block) < _HEAD.size:
        raise BlockError("the block ends too soon")
    magic, form, flags, n = _HEAD.unpack_from(block)
    if magic != _MAGIC or form != _FORMAT or flags & ~_BOTH or n > ROWS_MAX:
        raise BlockError("no block of samples in a format that this version knows")
    reader = Reader(block, _HEAD.size)
    time_ns, series = reader.column(n, np.int64), reader.column(n, np.uint64)
    word, is_gauge = reader.column(n, np.uint64), reader.column(n, np.uint8) != 0
    raw = reader.column(n, np.uint64) if flags & _BOTH else np.where(is_gauge, np.uint64(0), word)
    uptime_cs, discontinuity_cs = reader.column(n, np.int64), reader.column(n, np.int64)
    width, quality = reader.column(n, np.uint8), reader.column(n, np.uint8)
    reader.end()
    value = np.where(is_gauge, word.view(np.float64), np.nan)
    return SampleBatch(time_ns, series, value, quality, raw, np.zeros(n, np.uint64), uptime_cs, discontinuity_cs, width)
