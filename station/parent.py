"""Children that end with their parent. Imports next to nothing, because every child pays for it."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, by: signal.Signals = signal.SIGTERM) -> None:
    """Called first thing in a child: the kernel sends it `by` when its parent ends (Linux, prctl(2)).

    `parent` is the pid that started it, so that a parent that died before this call is noticed too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:
        raise SystemExit(0)
