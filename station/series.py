"""Series numbers: which measurement of which entity of which device, in one integer.

    bit 63 .................. 24 | 23 ........ 8 | 7 ..... 0
        device (dense number)    | entity        | metric code

`device` is given once by the state store; `entity` (interface, sensor, session; 0 is the device itself)
is given by inventory and persisted before use; the metric code comes from `config/metrics.toml`. So a
series needs no dictionary: a kernel finds its entity by a shift, and labels never travel with samples.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

METRIC_BITS = 8
ENTITY_BITS = 16
MAX_METRIC = (1 << METRIC_BITS) - 1
MAX_ENTITY = (1 << ENTITY_BITS) - 1

IntLike = TypeVar("IntLike", int, npt.NDArray[np.uint64])


def series_of(device: int, entity: int, metric: int) -> int:
    """The series number of one metric of one entity."""
    assert 0 <= entity <= MAX_ENTITY and 0 <= metric <= MAX_METRIC, (entity, metric)
    return device << 24 | entity << METRIC_BITS | metric


def entity_key(device: int, entity: int) -> int:
    """The number of an entity over all devices; `series >> 8` of each of its series."""
    return device << ENTITY_BITS | entity


def entity_keys(series: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The entity key of each series (u64[n] -> u64[n])."""
    return series >> np.uint64(METRIC_BITS)


def metrics_of(series: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """The metric code of each series (u64[n] -> u8[n])."""
    return (series & np.uint64(MAX_METRIC)).astype(np.uint8)


def devices_of(series: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The device number of each series (u64[n] -> u64[n])."""
    return series >> np.uint64(METRIC_BITS + ENTITY_BITS)


def split_key(key: int) -> tuple[int, int]:
    """(device, entity) of an entity key."""
    return key >> ENTITY_BITS, key & MAX_ENTITY


Array = npt.NDArray[Any]
