"""A copy of the embedded telemetry store while it works, and a store made from such a copy.

The store writes the copy itself, from one snapshot of its parts: what was inserted before is in it whole, and inserts
and merges go on meanwhile. It may write copies in one folder of its own only; from there they are moved.
"""

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Final

from station.telemetry.client import TelemetryClient
from station.telemetry.dialect import COPIES

COPY_TIMEOUT_S: Final = 6 * 3_600  # a terabyte at 50 MB/s
MARK: Final = ".backup"  # what the store puts at the top of a copy


async def back_up(client: TelemetryClient, store: Path, target: Path) -> int:
    """Copy the store that the owner of the folder `store` keeps into the folder `target`, which is not there yet; return its bytes."""
    made = store / COPIES / secrets.token_hex(8)
    try:
        await client.command(f"BACKUP DATABASE default TO File('{made.name}')")
        await asyncio.to_thread(shutil.move, made, target)
    finally:
        await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
    return await asyncio.to_thread(_size_of, target)


async def restore(client: TelemetryClient, store: Path, source: Path) -> None:
    """Fill the empty store of the folder `store` from a copy."""
    given = store / COPIES / secrets.token_hex(8)
    try:
        await asyncio.to_thread(shutil.copytree, source, given)
        await client.command(f"RESTORE DATABASE default FROM File('{given.name}') SETTINGS allow_different_database_def = 1")
    finally:
        await asyncio.to_thread(shutil.rmtree, given, ignore_errors=True)


def fault_of(source: Path) -> str:
    """Why a folder is no copy of a telemetry store; empty when it looks like one."""
    return "" if (source / MARK).is_file() else f"{source}: not a backup of a telemetry store"


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
