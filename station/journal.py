"""The journal: what was acknowledged survives kill -9 and power cut, until the store behind it has it.

A folder of segments `<first sequence, 20 digits>.journal`. A segment is records, one after the other:

    offset  0      4      8              16     17
            length crc32  sequence       kind   payload (length bytes)
            u32    u32    u64            u8     little-endian; the CRC covers sequence, kind and payload

and the file `released` holds the highest sequence that the store has taken (decimal text, replaced whole).
A torn tail is cut off at the first record whose length or CRC is wrong: it was never acknowledged.
"""

import asyncio
import os
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from station.metrics import counter, gauge

HEAD = struct.Struct("<IIQB")
SEQUENCE_AND_KIND = struct.Struct("<QB")
SEGMENT_BYTES = 16 << 20
RECORD_LIMIT_BYTES = 64 << 20

JOURNAL_BYTES = gauge("journal_bytes", "Bytes not yet released.", "journal")
JOURNAL_TORN = counter("journal_torn", "Bytes cut off a segment's torn tail at start.", "journal")
JOURNAL_REFUSED = counter("journal_refused", "Records refused because the journal is full.", "journal")


class JournalFullError(Exception):
    """The journal holds `limit_bytes` unreleased: the caller waits or counts a loss, by its own policy."""


class Journal:
    """One writer's journal. A record is durable once a `sync` that began after its `append` has returned."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self.limit_bytes = limit_bytes
        path.mkdir(parents=True, exist_ok=True)
        self._segments = {int(p.stem): p.stat().st_size for p in sorted(path.glob("*.journal"))}
        self._released = _released(path)
        self._next = self._released + 1
        for first in list(self._segments):
            self._mend(first)
        self._file: BinaryIO | None = None
        self._synced = self._next - 1
        self._sync_lock = asyncio.Lock()
        JOURNAL_BYTES.labels(path.name).set_function(lambda: self.size_bytes)

    @property
    def size_bytes(self) -> int:
        """What the segments on disk hold, released records of the newest included."""
        return sum(self._segments.values())

    def append(self, kind: int, payload: bytes) -> int:
        """Write one record and return its sequence; not durable before `sync`. JournalFullError when over the limit."""
        size = HEAD.size + len(payload)
        if self.size_bytes + size > self.limit_bytes or len(payload) > RECORD_LIMIT_BYTES:
            JOURNAL_REFUSED.labels(self.path.name).inc()
            raise JournalFullError(str(self.path))
        sequence = self._next
        file = self._segment_for(sequence)
        crc = zlib.crc32(payload, zlib.crc32(SEQUENCE_AND_KIND.pack(sequence, kind)))
        file.write(HEAD.pack(len(payload), crc, sequence, kind))
        file.write(payload)
        self._segments[max(self._segments)] += size
        self._next += 1
        return sequence

    async def sync(self) -> int:
        """Make every record appended before this call durable; return the highest such sequence. Callers share one fsync."""
        wanted = self._next - 1
        async with self._sync_lock:
            if self._synced < wanted and self._file is not None:
                upto = self._next - 1
                self._file.flush()
                await asyncio.to_thread(_sync_and_close, os.dup(self._file.fileno()))  # an append may close the segment meanwhile
                self._synced = max(self._synced, upto)
        return self._synced

    def release(self, upto: int) -> None:
        """The store has everything up to and including `upto`: those records are not replayed again."""
        if upto <= self._released:
            return
        self._released = upto
        _replace(self.path / "released", str(upto).encode())
        firsts = sorted(self._segments)
        for first, following in pairwise(firsts):
            if following <= upto + 1:
                (self.path / _name(first)).unlink()
                del self._segments[first]

    def replay(self) -> Iterator[tuple[int, int, bytes]]:
        """(sequence, kind, payload) of every record not released, oldest first."""
        if self._file is not None:
            self._file.flush()
        for first in sorted(self._segments):
            for _, sequence, kind, payload in _records(self.path / _name(first)):
                if sequence > self._released:
                    yield sequence, kind, payload

    @property
    def released(self) -> int:
        """The highest sequence that is not replayed any more."""
        return self._released

    @property
    def durable(self) -> int:
        """The highest sequence that a crash leaves."""
        return self._synced

    @property
    def first(self) -> int:
        """The sequence that the oldest segment begins with: what is older is gone."""
        return min(self._segments, default=self._next)

    def after_first(self) -> int:
        """The sequence that the second segment begins with, or the next one."""
        return sorted(self._segments)[1] if len(self._segments) > 1 else self._next

    def shed(self) -> list[tuple[int, int, bytes]]:
        """Let go of the oldest segment to make room, unless it is the only one; (sequence, kind, payload) of what is lost with it."""
        firsts = sorted(self._segments)
        if len(firsts) < 2:
            return []
        lost = [(sequence, kind, payload) for _, sequence, kind, payload in _records(self.path / _name(firsts[0]))]
        self.release(firsts[1] - 1)
        return lost

    def records_from(self, sequence: int) -> Iterator[tuple[int, int, bytes]]:
        """(sequence, kind, payload) of the durable records from that sequence on, oldest first, as far as there are any now."""
        firsts = sorted(self._segments)
        behind = [following <= sequence for following in firsts[1:]]
        for first in firsts[sum(behind) :]:
            if first not in self._segments:
                continue  # let go of meanwhile
            for _, number, kind, payload in _records(self.path / _name(first)):
                if number > self._synced:
                    return
                if number >= sequence:
                    yield number, kind, payload

    def close(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _segment_for(self, sequence: int) -> BinaryIO:
        if self._file is not None and self._segments[max(self._segments)] < SEGMENT_BYTES:
            return self._file
        self.close()
        self._synced = sequence - 1
        self._file = (self.path / _name(sequence)).open("ab")
        self._segments[sequence] = 0
        _sync_folder(self.path)
        return self._file

    def _mend(self, first: int) -> None:
        """Cut a torn tail off and learn the next sequence."""
        path = self.path / _name(first)
        end = 0
        for behind, sequence, _, _ in _records(path):
            end = behind
            self._next = max(self._next, sequence + 1)
        torn = self._segments[first] - end
        if torn:
            JOURNAL_TORN.labels(self.path.name).inc(torn)
            with path.open("r+b") as file:
                file.truncate(end)
                os.fsync(file.fileno())
            self._segments[first] = end


def _name(first: int) -> str:
    return f"{first:020d}.journal"


def _records(path: Path) -> Iterator[tuple[int, int, int, bytes]]:
    """(offset behind the record, sequence, kind, payload) up to the first record that is torn."""
    with path.open("rb") as file:
        end = 0
        while len(head := file.read(HEAD.size)) == HEAD.size:
            length, crc, sequence, kind = HEAD.unpack(head)
            payload = file.read(length) if length <= RECORD_LIMIT_BYTES else b""
            if len(payload) < length or zlib.crc32(payload, zlib.crc32(SEQUENCE_AND_KIND.pack(sequence, kind))) != crc:
                return
            end += HEAD.size + length
            yield end, sequence, kind, payload


def _released(path: Path) -> int:
    try:
        return int((path / "released").read_text())
    except FileNotFoundError:
        return 0


def _replace(path: Path, content: bytes) -> None:
    """Replace a small file whole: readers and a crash see the old or the new content."""
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    _sync_and_close(os.open(path, os.O_RDONLY))


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
