"""Blocks of rows on their way to the store: journalled first, then inserted until the store has them.

A block is rows of one table as the store takes them, and is durable once journalled. Blocks of a table that wait together are
inserted as one: the store's parts cost by the piece, and what is written in larger parts is merged less often.
An insert is sent again after a lost answer or a crash, and a row that is there already is replaced by itself. There
is no token that would spare it: the store notes a token before the rows are there, so that a kill between loses them.
What the store refuses for good is kept aside (`perf.refused`), and only that: its neighbours are inserted without it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from perf.disk import Disk
from perf.metrics import BLOCKS, PENDING
from perf.refused import Refused
from station.journal import JournalFullError
from station.telemetry.client import TelemetryClient, TelemetryError, TelemetryUnavailableError, encode

KINDS: Final = {1: "interface_raw", 2: "sample_raw", 3: "interface_5m", 4: "interface_1h", 5: "interface_1d"}
KIND_OF: Final = {table: kind for kind, table in KINDS.items()}
FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 10.0
GATHER_S: Final = 2.0  # a block waits so long for others of its table
INSERT_BYTES: Final = 16 << 20  # or until so much waits
ERROR_CHARS: Final = 500
IN_THREAD_BYTES: Final = 1 << 20  # larger blocks are journalled beside the event loop

log = structlog.get_logger(__name__)


class JournalLike(Protocol):
    """What the writer needs of `station.journal.Journal`."""

    def append(self, kind: int, payload: bytes) -> int: ...
    async def sync(self) -> int: ...
    def release(self, upto: int) -> None: ...
    def replay(self) -> Iterator[tuple[int, int, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Block:
    """One journalled block and since when it waits (monotonic seconds)."""

    sequence: int
    kind: int
    payload: bytes
    since_s: float


class Writer:
    """`put` returns when the block is durable; `run` moves blocks into the store, for ever."""

    def __init__(
        self,
        client: TelemetryClient,
        journal: JournalLike,
        pending_blocks: int,
        disk: Disk | None = None,
        refused: Refused | None = None,
    ) -> None:
        self._client = client
        self._disk = disk
        self._refused = refused
        self._journal = journal
        self._limit = pending_blocks
        self._pending: deque[Block] = deque()
        self._draining = 0
        self._changed = asyncio.Condition()
        self.replayed = asyncio.Event()  # the store has what the journal held at the start
        PENDING.set_function(self._pending.__len__)

    async def put(self, table: str, columns: Mapping[str, Any]) -> None:
        """Journal one block; waits while too many have not reached the store or the disk is full. `columns` holds a `version`."""
        if self._disk is not None:
            await self._disk.wait_for_room()
        payload = encode(columns)
        kind = KIND_OF[table]
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._pending) < self._limit)
            sequence = await self._append(kind, payload)
            self._pending.append(Block(sequence, kind, payload, time.monotonic()))
            self._changed.notify_all()
        await self._journal.sync()
        BLOCKS.labels("journalled").inc()

    async def _append(self, kind: int, payload: bytes) -> int:
        while True:
            try:
                if len(payload) > IN_THREAD_BYTES:
                    return await asyncio.to_thread(self._journal.append, kind, payload)
                return self._journal.append(kind, payload)
            except JournalFullError:
                await self._changed.wait_for(lambda: not self._pending)
                await asyncio.sleep(FIRST_DELAY_S)

    async def run(self) -> None:
        """First what the journal still holds, then what is put, block after block."""
        for sequence, kind, payload in self._journal.replay():
            if self._pending and sequence >= self._pending[0].sequence:
                break  # put meanwhile: it waits here as well
            await self._store([Block(sequence, kind, payload, 0.0)])
            self._journal.release(sequence)
            BLOCKS.labels("replayed").inc()
        self.replayed.set()
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._pending))
                await self._gathered()
                blocks = _first(self._pending)
            for kind in dict.fromkeys(block.kind for block in blocks):
                await self._store([block for block in blocks if block.kind == kind])
            self._journal.release(blocks[-1].sequence)
            async with self._changed:
                for _ in blocks:
                    self._pending.popleft()
                self._changed.notify_all()

    async def _gathered(self) -> None:
        """Until the oldest block has waited long enough, enough waits, or somebody waits for it."""
        left_s = self._pending[0].since_s + GATHER_S - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                await self._changed.wait_for(self._enough)
        except TimeoutError:
            pass

    def _enough(self) -> bool:
        waiting = sum(len(block.payload) for block in self._pending)
        return bool(self._draining) or waiting >= INSERT_BYTES or len(self._pending) >= self._limit

    async def drain(self) -> None:
        """Wait until the store has every block put so far."""
        async with self._changed:
            self._draining += 1
            self._changed.notify_all()
            try:
                await self._changed.wait_for(lambda: not self._pending)
            finally:
                self._draining -= 1

    async def _store(self, blocks: list[Block]) -> None:
        """Insert blocks of one table as one, again and again while nobody answers; what the store refuses is set aside."""
        table = KINDS[blocks[0].kind]
        payload = b"".join(block.payload for block in blocks)
        delay_s = FIRST_DELAY_S
        while True:
            try:
                await self._client.insert_stream(table, payload)
            except TelemetryUnavailableError:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            except TelemetryError as error:
                await self._without(blocks, error)
                return
            else:
                BLOCKS.labels("stored").inc(len(blocks))
                return

    async def _without(self, blocks: list[Block], error: TelemetryError) -> None:
        """Find the block that the store refuses by inserting each alone, and set that one aside."""
        if len(blocks) > 1:
            for block in blocks:
                await self._store([block])
            return
        block, table = blocks[0], KINDS[blocks[0].kind]
        kept = None
        if self._refused is not None:
            kept = await asyncio.to_thread(self._refused.keep, table, block.sequence, block.payload)
        BLOCKS.labels("refused" if kept else "lost").inc()
        log.error("the store refused rows", table=table, kept=str(kept) if kept else None, error=str(error)[:ERROR_CHARS])


def _first(pending: deque[Block]) -> list[Block]:
    """The oldest blocks up to what one insert holds, at least one."""
    chosen: list[Block] = []
    size = 0
    for block in pending:
        size += len(block.payload)
        if chosen and size > INSERT_BYTES:
            break
        chosen.append(block)
    return chosen
