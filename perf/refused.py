"""Blocks that the store refused, kept as files: their samples were acknowledged, so they are somebody's to put back.

A refusal is a fault of ours or of the store's tables, never of a sample. A file is one block in ClickHouse's Native
format, `<journal sequence, 20 digits>.<table>.native`; once the fault is mended, `INSERT INTO <table> FORMAT Native`
takes it, and what is there already is replaced by itself.
"""

import os
from pathlib import Path
from typing import Final

from station.metrics import gauge

KEPT_BYTES: Final = 256 << 20  # refusals that go on and on must not fill the disk

REFUSED_BYTES = gauge("perf_refused_bytes", "Bytes of blocks that the store refused and that lie aside.")


class Refused:
    """A folder of refused blocks, KEPT_BYTES at most."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._size = sum(path.stat().st_size for path in folder.glob("*.native")) if folder.is_dir() else 0
        REFUSED_BYTES.set_function(lambda: self._size)

    def keep(self, table: str, sequence: int, payload: bytes) -> Path | None:
        """Where the block lies now, durable; None where there is no room for it."""
        if self._size + len(payload) > KEPT_BYTES:
            return None
        path = self._folder / f"{sequence:020d}.{table}.native"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            return None
        self._size += len(payload)
        return path
