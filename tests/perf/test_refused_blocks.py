"""What the store refuses is kept as a file that it takes later, and takes no neighbour with it."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import perf.refused
from perf.metrics import BLOCKS
from perf.refused import Refused
from perf.writer import Writer
from station.journal import Journal
from station.telemetry.client import TelemetryClient, TelemetryError, encode


class Picky(TelemetryClient):
    """A store that refuses whatever has a column named `nonsense`."""

    def __init__(self) -> None:
        self.url, self.taken = "", list[bytes]()

    async def insert_stream(self, table: str, payload: bytes, token: str = "") -> None:
        if b"nonsense" in payload:
            raise TelemetryError("no such column", 16)
        self.taken.append(payload)


def block(**columns: int) -> dict[str, Any]:
    return {name: np.full(2, value, np.uint64) for name, value in columns.items()}


async def stored(folder: Path, blocks: list[dict[str, Any]]) -> tuple[Picky, Path]:
    client, journal = Picky(), Journal(folder / "journal", 1 << 20)
    writer = Writer(client, journal, 16, refused=Refused(folder / "refused"))
    for columns in blocks:
        await writer.put("sample_raw", columns)
    running = asyncio.create_task(writer.run())
    async with asyncio.timeout(60):
        await writer.drain()
    running.cancel()
    journal.close()
    return client, folder / "refused"


async def test_a_refused_block_lies_aside_and_its_neighbours_are_stored(tmp_path: Path) -> None:
    good = [block(version=n) for n in range(3)]
    bad = block(version=9, nonsense=1)
    client, folder = await stored(tmp_path, [good[0], bad, *good[1:]])
    assert b"".join(client.taken) == b"".join(encode(columns) for columns in good)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"00000000000000000002.sample_raw.native": encode(bad)}


async def test_refusals_without_end_do_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = block(version=9, nonsense=1)
    monkeypatch.setattr(perf.refused, "KEPT_BYTES", 2 * len(encode(bad)))
    lost = BLOCKS.labels("lost")._value.get()
    _, folder = await stored(tmp_path, [bad] * 5)
    assert (len(list(folder.iterdir())), BLOCKS.labels("lost")._value.get() - lost) == (2, 3)
    again = Refused(folder)  # the next life knows what lies there
    assert again.keep("sample_raw", 9, encode(bad)) is None
