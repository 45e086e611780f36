"""Memory that a burst of work needed and nobody needs any more."""

import ctypes
import gc


def give_back() -> None:
    """Hand what is free back to the system, where the C library can: glibc would keep it for the next burst."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
