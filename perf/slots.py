"""Dense slots for sparse 64-bit keys: so that state per series is flat arrays and not a dictionary."""

from typing import Any

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)  # no series and no entity key is this large
LOAD = 0.7
FIRST_BUCKETS = 1 << 10

U64 = npt.NDArray[np.uint64]
Slots = npt.NDArray[np.int64]


class SlotIndex:
    """Gives each key the next free slot 0, 1, 2, ... at first sight and keeps it. 18-24 bytes a key."""

    def __init__(self) -> None:
        self.count = 0
        self._buckets: U64 = np.full(FIRST_BUCKETS, EMPTY)
        self._slots: npt.NDArray[np.uint32] = np.zeros(FIRST_BUCKETS, np.uint32)
        self._keys: U64 = np.zeros(FIRST_BUCKETS, np.uint64)

    @property
    def keys(self) -> U64:
        """The key of each slot, u64[count]."""
        return self._keys[: self.count]

    @property
    def nbytes(self) -> int:
        return self._buckets.nbytes + self._slots.nbytes + self._keys.nbytes

    def slots_of(self, keys: U64) -> Slots:
        """The slot of each key (u64[n] -> i64[n]); unknown keys get new ones, in order of appearance."""
        slots = self.find(keys)
        unknown = int(np.count_nonzero(slots < 0))
        if unknown:
            self._make_room(self.count + unknown)
            self.count = int(_find_or_add(keys, self._buckets, self._slots, self._keys, self.count, slots))
        return slots

    def find(self, keys: U64) -> Slots:
        """The slot of each key, -1 where it has none."""
        slots = np.empty(len(keys), np.int64)
        _find(keys, self._buckets, self._slots, self.keys, slots)
        return slots

    def _make_room(self, most: int) -> None:
        if most > len(self._keys):
            self._keys = grown(self._keys, most)
        if most <= LOAD * len(self._buckets):
            return
        size = 1 << int(np.ceil(np.log2(most / LOAD)))
        self._buckets = np.full(size, EMPTY)
        self._slots = np.zeros(size, np.uint32)
        _rebuild(self._keys[: self.count], self._buckets, self._slots)


def grown(array: npt.NDArray[Any], needed: int) -> npt.NDArray[Any]:
    """The array with room for `needed` elements (zeros), growing by half so that copies stay rare."""
    if needed <= len(array):
        return array
    larger = np.zeros((max(needed, len(array) + len(array) // 2, 1024), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


@compiled
def _bucket(key: Any, mask: Any) -> Any:
    """Fibonacci hashing: series numbers differ in few bits."""
    mixed = key ^ (key >> np.uint64(29))
    return ((mixed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask


@compiled
def _find_or_add(wanted: Any, buckets: Any, slots: Any, keys: Any, count: Any, out: Any) -> Any:
    mask = np.uint64(len(buckets) - 1)
    following = 0
    for i in range(len(wanted)):
        key = wanted[i]
        if following < count and keys[following] == key:
            out[i] = following
            following += 1
            continue
        at = _bucket(key, mask)
        while buckets[at] != key:
            if buckets[at] == EMPTY:
                buckets[at] = key
                slots[at] = count
                keys[count] = key
                count += 1
                break
            at = (at + np.uint64(1)) & mask
        out[i] = slots[at]
        following = out[i] + 1
    return count


@compiled
def _find(wanted: Any, buckets: Any, slots: Any, keys: Any, out: Any) -> None:
    """Keys mostly come in the order in which they first came (a device names its columns as ever): one comparison then."""
    mask = np.uint64(len(buckets) - 1)
    following = 0
    for i in range(len(wanted)):
        key = wanted[i]
        if following < len(keys) and keys[following] == key:
            out[i] = following
            following += 1
            continue
        at = _bucket(key, mask)
        while buckets[at] != key and buckets[at] != EMPTY:
            at = (at + np.uint64(1)) & mask
        out[i] = slots[at] if buckets[at] == key else -1
        following = out[i] + 1


@compiled
def _rebuild(keys: Any, buckets: Any, slots: Any) -> None:
    mask = np.uint64(len(buckets) - 1)
    for slot in range(len(keys)):
        at = _bucket(keys[slot], mask)
        while buckets[at] != EMPTY:
            at = (at + np.uint64(1)) & mask
        buckets[at] = keys[slot]
        slots[at] = slot
