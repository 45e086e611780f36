"""Rows of flow totals on their way to the store: on disk first, then inserted until the store has them.

Nobody who sends flows waits for an answer, so there is nobody to hold back: what is durable once `put` has returned true
reaches the store, also through a restart of either; where the journal is full the newest rows are dropped and counted. A
block may be inserted twice, after a lost answer: its rows carry the number of their block and replace themselves.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from station.journal import Journal, JournalFullError
from station.metrics import counter
from station.telemetry.client import TelemetryError, TelemetryUnavailableError

log = structlog.get_logger("flow")

FLOW_BLOCKS = counter("flow_blocks", "Blocks of flow totals, by what became of them.", "result")

TABLE: Final = "flow"
KIND: Final = 1
FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 10.0

Insert = Callable[[str, bytes], Coroutine[Any, Any, None]]


class FlowSpool:
    """`put` journals a block, `run` moves blocks into the store, for ever. `insert(table, Arrow stream)` is the store's."""

    def __init__(self, journal: Journal, insert: Insert) -> None:
        self._journal, self._insert = journal, insert
        self._more = asyncio.Event()
        self._more.set()  # what the last run left
        self._stored = asyncio.Condition()
        self.last_stored = 0

    async def put(self, payload: bytes) -> int:
        """Make one block durable and return its sequence; 0 when the journal is full and it is lost."""
        try:
            sequence = self._journal.append(KIND, payload)
        except JournalFullError:
            FLOW_BLOCKS.labels("dropped").inc()
            return 0
        await self._journal.sync()
        FLOW_BLOCKS.labels("journalled").inc()
        self._more.set()
        return sequence

    async def wait_for(self, sequence: int) -> None:
        """Until the store has taken (or refused) this block."""
        async with self._stored:
            await self._stored.wait_for(lambda: self.last_stored >= sequence)

    async def run(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            for sequence, _, payload in self._journal.replay():
                await self._store(payload)
                self._journal.release(sequence)
                async with self._stored:
                    self.last_stored = sequence
                    self._stored.notify_all()

    def close(self) -> None:
        """Nothing is put any more; what the store has not taken stays on disk for the next start."""
        self._journal.close()

    async def _store(self, payload: bytes) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            try:
                await self._insert(TABLE, payload)
            except TelemetryUnavailableError:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            except TelemetryError as error:
                FLOW_BLOCKS.labels("refused").inc()
                log.warning("flow totals not stored", error=str(error))
                return
            else:
                FLOW_BLOCKS.labels("stored").inc()
                return
