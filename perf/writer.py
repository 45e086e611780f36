"""Blocks of rows on their way to the store: journalled first, then inserted until the store has them.

A block is one Arrow stream of one table. Its token is the table and the version of its rows, so that a block
sent again - after a lost answer, or from the journal after a crash - adds nothing.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from perf.metrics import BLOCKS, PENDING
from station.journal import JournalFullError
from station.telemetry.client import TelemetryClient, TelemetryError, TelemetryUnavailableError, decode_table, encode

KINDS = {1: "interface_raw", 2: "sample_raw", 3: "interface_5m", 4: "interface_1h", 5: "interface_1d"}
KIND_OF = {table: kind for kind, table in KINDS.items()}
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0


class JournalLike(Protocol):
    """What the writer needs of `station.journal.Journal`."""

    def append(self, kind: int, payload: bytes) -> int: ...
    async def sync(self) -> int: ...
    def release(self, upto: int) -> None: ...
    def replay(self) -> Iterator[tuple[int, int, bytes]]: ...


class Writer:
    """`put` returns when the block is durable; `run` moves blocks into the store in order, for ever."""

    def __init__(self, client: TelemetryClient, journal: JournalLike, pending_blocks: int) -> None:
        self._client = client
        self._journal = journal
        self._limit = pending_blocks
        self._pending: deque[tuple[int, int, bytes]] = deque()
        self._changed = asyncio.Condition()
        PENDING.set_function(self._pending.__len__)

    async def put(self, table: str, columns: Mapping[str, Any]) -> None:
        """Journal one block; waits while too many have not reached the store. `columns` holds a `version`."""
        payload = bytes(encode(columns))
        kind = KIND_OF[table]
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._pending) < self._limit)
            sequence = await self._append(kind, payload)
            self._pending.append((sequence, kind, payload))
            self._changed.notify_all()
        await self._journal.sync()
        BLOCKS.labels("journalled").inc()

    async def _append(self, kind: int, payload: bytes) -> int:
        while True:
            try:
                return self._journal.append(kind, payload)
            except JournalFullError:
                await self._changed.wait_for(lambda: not self._pending)
                await asyncio.sleep(FIRST_DELAY_S)

    async def run(self) -> None:
        """First what the journal still holds, then block after block."""
        for sequence, kind, payload in self._journal.replay():
            await self._store(sequence, kind, payload)
            BLOCKS.labels("replayed").inc()
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._pending))
                block = self._pending[0]
            await self._store(*block)
            async with self._changed:
                self._pending.popleft()
                self._changed.notify_all()

    async def drain(self) -> None:
        """Wait until the store has every block put so far."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._pending)

    async def _store(self, sequence: int, kind: int, payload: bytes) -> None:
        table = KINDS[kind]
        token = f"{table}-{decode_table(payload).column('version')[0].as_py()}"
        delay_s = FIRST_DELAY_S
        while True:
            try:
                await self._client.insert_stream(table, payload, token)
            except TelemetryUnavailableError:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            except TelemetryError:
                BLOCKS.labels("refused").inc()
                break
            else:
                BLOCKS.labels("stored").inc()
                break
        self._journal.release(sequence)
