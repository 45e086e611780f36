"""Chance without state: a number in [0, 1) for any key, the same in every process and on every machine."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

_WEYL = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def key_of(*parts: str | int) -> int:
    """A 64-bit key of the given parts."""
    return int.from_bytes(hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest())


def unit(*parts: str | int) -> float:
    """A number in [0, 1) for the given parts."""
    return (key_of(*parts) >> 11) * _TO_UNIT


def between(low: float, high: float, *parts: str | int) -> float:
    """A number in [low, high) for the given parts."""
    return low + (high - low) * unit(*parts)


def pick(options: Sequence[T], *parts: str | int) -> T:
    """One of the options for the given parts."""
    return options[key_of(*parts) % len(options)]


def units(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each key (SplitMix64, Steele et al. 2014); any shape."""
    z = keys * _WEYL
    z ^= z >> np.uint64(30)
    z *= _MIX_1
    z ^= z >> np.uint64(27)
    z *= _MIX_2
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * _TO_UNIT
