"""Kernels: plain Python over arrays, compiled at first use and cached on disk, run without the interpreter's lock."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(kernel: F) -> F:
    """The kernel compiled for the types it is called with. NUMBA_DISABLE_JIT=1 leaves it plain Python."""
    return cast(F, numba.njit(cache=True, nogil=True)(kernel))
