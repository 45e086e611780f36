"""What a collector keeps until the station has it: a journal that is read again from wherever the station asks.

A record is `newest sample u64 ns | rows u32 | block`. Where the disk's share is used up, or something is older than it is
kept, the oldest segment goes, and what went is counted and told to the station.
"""

import asyncio
import secrets
import struct
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from station.bus.settings import SpoolSettings
from station.clock import NS_PER_S, Clock
from station.journal import SEGMENT_BYTES, Journal, JournalFullError
from station.metrics import counter, gauge

SPOOL_LOST = counter("spool_lost_rows", "Rows that a collector let go of before the station had them, by reason.", "spool", "reason")
SPOOL_ROWS = counter("spool_rows", "Rows kept for the station.", "spool")
SPOOL_BLOCKS = gauge("spool_blocks", "Blocks that the station does not have yet.", "spool")
RECENT_OCTETS: Final = 16 << 20  # the latest blocks, which need not be read again from the disk
EXPIRE_EVERY_NS: Final = 60 * NS_PER_S
_HEAD: Final = struct.Struct("<QI")


class Record(NamedTuple):
    sequence: int
    newest_ns: int
    rows: int
    block: bytes


@dataclass(slots=True)
class Loss:
    """What was let go of since the collector began: rows, and the span of time they were of (ns)."""

    rows: int = 0
    from_ns: int = 0
    to_ns: int = 0


class Spool:
    """`put` returns when a block is durable; `next` gives the blocks in order, `release` lets go of what the station has."""

    def __init__(self, name: str, folder: Path, limit_octets: int, settings: SpoolSettings, clock: Clock) -> None:
        self.name, self._clock = name, clock
        self._journal = Journal(folder / name, limit_octets + SEGMENT_BYTES)
        self._keep_ns = int(settings.keep_h * 3600 * NS_PER_S)
        self._recent: deque[Record] = deque()
        self._recent_octets = 0
        self._expired_ns = 0
        self._put = asyncio.Event()
        self.epoch = _epoch(folder / f"{name}.epoch")
        self.sent = self._journal.released
        self.sent_ns = 0
        self.attempt = 0  # grows with each going back, so that the bus does not take a repeated block for one it has
        self.loss = Loss()
        SPOOL_BLOCKS.labels(name).set_function(lambda: self.waiting)

    @property
    def first(self) -> int:
        """The oldest place that can still be read."""
        return max(self._journal.first, self._journal.released + 1)

    @property
    def oldest_ns(self) -> int:
        """Up to when the bus has everything, 0 where it has all there is or never took anything."""
        return self.sent_ns if self.sent < self._journal.durable else 0

    @property
    def waiting(self) -> int:
        """Blocks that the station does not have, as far as is known here."""
        return max(0, self._journal.durable - max(self._journal.released, self.first - 1))

    async def put(self, blocks: list[tuple[int, int, bytes]]) -> None:
        """Keep (newest sample ns, rows, block) of each; durable on return."""
        made = []
        for newest_ns, rows, block in blocks:
            made.append(Record(self._append(_HEAD.pack(newest_ns, rows) + block), newest_ns, rows, block))
            SPOOL_ROWS.labels(self.name).inc(rows)
        self._expire()
        await self._journal.sync()
        for record in made:
            self._remember(record)
        self._put.set()

    def _append(self, payload: bytes) -> int:
        while True:
            try:
                return self._journal.append(0, payload)
            except JournalFullError:
                if not self._shed("disk"):
                    raise

    def _shed(self, reason: str) -> bool:
        lost = self._journal.shed()
        for _, _, payload in lost:
            newest_ns, rows = _HEAD.unpack_from(payload)
            SPOOL_LOST.labels(self.name, reason).inc(rows)
            self.loss.rows += rows
            self.loss.from_ns = self.loss.from_ns or newest_ns
            self.loss.to_ns = newest_ns
        return bool(lost)

    def _expire(self) -> None:
        """Let go of what is older than it is kept, looked at once a minute."""
        now_ns = self._clock.now_ns()
        if now_ns - self._expired_ns < EXPIRE_EVERY_NS:
            return
        self._expired_ns = now_ns
        while (newest_ns := self._second_oldest()) and newest_ns < now_ns - self._keep_ns and self._shed("age"):
            pass

    def _second_oldest(self) -> int:
        """The time of what follows the oldest segment, 0 where nothing does: until then that segment is needed."""
        record = next(self._journal.records_from(self._journal.after_first()), None)
        return _HEAD.unpack_from(record[2])[0] if record else 0

    def _remember(self, record: Record) -> None:
        self._recent.append(record)
        self._recent_octets += len(record.block)
        while self._recent_octets > RECENT_OCTETS and len(self._recent) > 1:
            self._recent_octets -= len(self._recent.popleft().block)

    async def next(self) -> list[Record]:
        """The next blocks in order, at least one; waits for it. They count as sent when `sent` is set to their place."""
        while not (found := self._following()):
            self._put.clear()
            if self._journal.durable <= self.sent:
                await self._put.wait()
        return found

    def _following(self) -> list[Record]:
        after = max(self.sent, self.first - 1)
        if self._recent and self._recent[0].sequence <= after + 1:
            return [record for record in self._recent if record.sequence > after]
        found, octets = [], 0
        for sequence, _, payload in self._journal.records_from(after + 1):
            newest_ns, rows = _HEAD.unpack_from(payload)
            found.append(Record(sequence, newest_ns, rows, payload[_HEAD.size :]))
            octets += len(payload)
            if octets >= RECENT_OCTETS:
                break
        return found

    def release(self, epoch: str, upto: int) -> None:
        """The station has everything of this spool up to there."""
        if epoch == self.epoch and upto > self._journal.released:
            self._journal.release(min(upto, self._journal.durable))
            self.sent = max(self.sent, upto)  # its answer may have been lost
            while self._recent and self._recent[0].sequence <= upto:
                self._recent_octets -= len(self._recent.popleft().block)

    def go_back(self, upto: int) -> None:
        """What follows that place did not reach the station, though the bus had taken it: send it again."""
        if upto < self.sent:
            self.sent, self.attempt = upto, self.attempt + 1
            self._put.set()

    def close(self) -> None:
        self._journal.close()


def _epoch(path: Path) -> str:
    """What tells this spool from one that was there before and began with the same numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(secrets.token_hex(8))
    return path.read_text()
