"""Compile the poll path's steps into their cache: `python -m collectors.snmp.prepare [CACHE [PARENT]]`.

Compiling takes seconds of CPU in which a Python process answers nobody, so the station has it done by a child of low
priority, and an installation may do it beforehand.
"""

import asyncio
import os
import sys
from pathlib import Path

from collectors.snmp import wire
from station.parent import die_with_parent

_NICE = 10
_PATIENCE_S = 120.0  # then the steps are compiled in the station after all


async def prepare(cache: Path | None) -> None:
    """Have a child compile what is not in the cache yet. Whether it could is of no matter: `wire.warm` compiles the rest."""
    if wire.is_prepared(cache):
        return
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, str(cache or ""), str(os.getpid()))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await child.wait()
    except TimeoutError:
        pass
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def main(arguments: list[str]) -> None:
    """The child: ends with its parent."""
    if len(arguments) > 1:
        die_with_parent(int(arguments[1]))
        os.nice(_NICE)
    wire.warm(Path(arguments[0]) if arguments and arguments[0] else None)


if __name__ == "__main__":
    main(sys.argv[1:])
