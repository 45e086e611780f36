"""Columns of integers on the wire: one value, runs, small steps or as they are, whichever is shortest.

form u8 | body, little-endian; the column's length and item size are known to the reader
SAME      the value
RUNS      count u32, count run lengths u32, count values
STEPS     width u8 (1, 2 or 4), the first value, n - 1 signed differences of that width (modulo the item size)
PLAIN     n values
"""

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SAME, RUNS, STEPS, PLAIN = range(4)
_COUNT: Final = struct.Struct("<I")
_STEP_TYPES: "Final[dict[int, np.dtype[Any]]]" = {1: np.dtype("i1"), 2: np.dtype("<i2"), 4: np.dtype("<i4")}
_RUN_LENGTH: Final = np.dtype("<u4")
Column = npt.NDArray[Any]


class BlockError(Exception):
    """Octets that are no block; the text says what is wrong."""


def packed(column: Column) -> bytes:
    """A column of u8, i64 or u64 as octets."""
    n = len(column)
    if n == 0:
        return bytes([PLAIN])
    changes = np.flatnonzero(column[1:] != column[:-1])
    if not len(changes):
        return bytes([SAME]) + column[:1].tobytes()
    size = column.dtype.itemsize
    runs = 4 + (len(changes) + 1) * (4 + size)
    width, steps = _steps(column) if size > 1 else (size, None)
    if runs < width * n:
        starts = np.concatenate([[0], changes + 1])
        lengths = np.diff(starts, append=n).astype(_RUN_LENGTH)
        return b"".join((bytes([RUNS]), _COUNT.pack(len(starts)), bytes(lengths.data), column[starts].tobytes()))
    if steps is not None:
        return b"".join((bytes([STEPS, width]), column[:1].tobytes(), steps.astype(_STEP_TYPES[width]).tobytes()))
    return b"".join((bytes([PLAIN]), column.tobytes()))


def _steps(column: Column) -> tuple[int, Column | None]:
    """How wide the differences are and the differences, None where they save nothing."""
    steps = np.diff(column.view(np.int64))
    low, high = int(steps.min()), int(steps.max())
    for width in _STEP_TYPES:
        if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1:
            return width, steps
    return column.dtype.itemsize, None


class Reader:
    """Takes columns from octets, one behind the other; BlockError where they end too soon or do not fit."""

    def __init__(self, octets: bytes, at: int = 0) -> None:
        self._octets, self._at = octets, at

    def column(self, n: int, dtype: npt.DTypeLike) -> Column:
        """The next column, of `n` values."""
        kind = np.dtype(dtype)
        form = int(self._take(1, np.dtype("u1"))[0])
        if form == PLAIN:
            return self._take(n, kind)
        if form == SAME:
            return np.full(n, self._take(1, kind)[0])
        if form == RUNS:
            return self._runs(n, kind)
        if form == STEPS and kind.itemsize == 8 and n:
            return self._stepped(n, kind)
        raise BlockError(f"form {form} of a column of {n}")

    def _runs(self, n: int, kind: "np.dtype[Any]") -> Column:
        count = int(self._take(1, _RUN_LENGTH)[0])
        if not 0 < count <= n:
            raise BlockError(f"{count} runs in a column of {n}")
        lengths, values = self._take(count, _RUN_LENGTH), self._take(count, kind)
        if int(lengths.sum(dtype=np.uint64)) != n:
            raise BlockError("the runs are not as long as the column")
        return np.repeat(values, lengths)

    def _stepped(self, n: int, kind: "np.dtype[Any]") -> Column:
        width = int(self._take(1, np.dtype("u1"))[0])
        if width not in _STEP_TYPES:
            raise BlockError(f"steps of {width} octets")
        made = np.empty(n, np.int64)
        made[0] = self._take(1, np.dtype(np.int64))[0]
        made[1:] = self._take(n - 1, _STEP_TYPES[width])
        return np.cumsum(made, out=made).view(kind)

    def _take(self, n: int, kind: "np.dtype[Any]") -> Column:
        end = self._at + n * kind.itemsize
        if end > len(self._octets):
            raise BlockError("the block ends too soon")
        found = np.frombuffer(self._octets, kind, n, self._at)
        self._at = end
        return found

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._octets):
            raise BlockError(f"{len(self._octets) - self._at} octets too many")
