"""What a process that runs for months owes its machine: little memory, and to go when it is told."""

import ctypes
import gc
import os
import sys
from importlib.abc import MetaPathFinder
from typing import Final, NoReturn

M_ARENA_MAX: Final = -8  # mallopt(3)
ARENAS: Final = 2  # glibc gives each thread its own heap otherwise, and what one has freed the others cannot use


# Loaded by others where they are installed, and not used here: pyarrow recognises types by pandas (60 MB), the templates
# of migrations show their errors in colours (0.4 s), and so do the logs (0.1 s).
UNUSED: Final = frozenset({"pandas", "mako.ext.pygmentplugin", "rich"})


class _Without(MetaPathFinder):
    """Says that these are not installed."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name in UNUSED:
            raise ModuleNotFoundError(f"{name} is not used here", name=name)


def lean() -> None:
    """Few heaps for many threads, and no library that would only be looked at. Called before the heavy ones are loaded.

    Until `settle` nothing is collected: what is loaded stays.
    """
    gc.disable()
    if sys.platform == "linux":
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    sys.meta_path.insert(0, _Without())


def settle() -> None:
    """Once everything is loaded: what lives as long as the process is not looked at by each garbage collection."""
    gc.collect()
    gc.freeze()
    gc.enable()


def leave() -> NoReturn:
    """End the process once everything is closed: a kernel that is still being compiled in a thread would keep it for a minute."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
