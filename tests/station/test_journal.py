"""The journal keeps what it acknowledged: over restarts, torn tails and kill -9."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station import journal as journal_module
from station.journal import HEAD, Journal, JournalFullError

LIMIT = 1 << 26


@pytest.fixture
def opened() -> Iterator[Callable[..., Journal]]:
    """Opens journals and closes them after the test."""
    with ExitStack() as stack:

        def open_one(path: Path, limit_bytes: int = LIMIT) -> Journal:
            return stack.enter_context(closing(Journal(path, limit_bytes)))

        yield open_one


def payloads(journal: Journal) -> list[bytes]:
    return [payload for _, _, payload in journal.replay()]


async def test_a_synced_record_is_there_after_reopening(tmp_path: Path, opened: Callable[..., Journal]) -> None:
    journal = opened(tmp_path / "j")
    assert [journal.append(7, b"a"), journal.append(8, b"bc")] == [1, 2]
    assert await journal.sync() == 2
    assert list(opened(tmp_path / "j").replay()) == [(1, 7, b"a"), (2, 8, b"bc")]


async def test_what_was_released_is_not_replayed_and_numbers_go_on(tmp_path: Path, opened: Callable[..., Journal]) -> None:
    journal = opened(tmp_path / "j")
    for n in range(5):
        journal.append(0, bytes([n]))
    await journal.sync()
    journal.release(3)
    again = opened(tmp_path / "j")
    assert payloads(again) == [b"\x03", b"\x04"]
    assert again.append(0, b"x") == 6


async def test_released_segments_leave_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Journal]) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 100)
    journal = opened(tmp_path / "j")
    for _ in range(10):
        journal.append(0, b"x" * 60)
    await journal.sync()
    journal.release(10)
    assert len(list((tmp_path / "j").glob("*.journal"))) == 1
    assert payloads(opened(tmp_path / "j")) == []


async def test_a_full_journal_refuses_and_takes_again_after_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Journal]
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 50)
    journal = opened(tmp_path / "j", limit_bytes=200)
    journal.append(0, b"x" * 60)
    journal.append(0, b"x" * 60)
    with pytest.raises(JournalFullError):
        journal.append(0, b"x" * 60)
    await journal.sync()
    journal.release(2)
    assert journal.append(0, b"x" * 60) == 3


async def test_the_oldest_segment_is_let_go_of_to_make_room_and_says_what_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Journal]
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 50)
    journal = opened(tmp_path / "j")
    assert journal.shed() == []
    for n in range(3):
        journal.append(n, bytes([n]) * 60)
    await journal.sync()
    assert journal.shed() == [(1, 0, b"\0" * 60)]
    assert (journal.first, journal.released, len(payloads(journal))) == (2, 1, 2)


async def test_durable_records_are_read_from_any_place_while_others_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Journal]
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 100)
    journal = opened(tmp_path / "j")
    for n in range(6):
        journal.append(0, bytes([n]) * 60)
    await journal.sync()
    journal.append(0, b"not yet")
    assert [sequence for sequence, _, _ in journal.records_from(3)] == [3, 4, 5, 6]
    assert journal.durable == 6
    await journal.sync()
    assert [payload for _, _, payload in journal.records_from(7)] == [b"not yet"]


@given(cut=st.integers(0, 60), flip=st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
async def test_any_torn_or_rotten_tail_leaves_a_prefix(tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int) -> None:
    path = tmp_path_factory.mktemp("j")
    written = [bytes([n]) * (n * 7 % 40) for n in range(20)]
    journal = Journal(path, LIMIT)
    for payload in written:
        journal.append(1, payload)
    await journal.sync()
    journal.close()
    segment = next(path.glob("*.journal"))
    content = bytearray(segment.read_bytes())
    content[flip % len(content)] ^= 1
    segment.write_bytes(content[: len(content) - cut])
    kept = payloads(Journal(path, LIMIT))
    assert kept == written[: len(kept)]
    assert len(kept) < len(written)


WRITER = """
import asyncio, sys
from pathlib import Path
from station.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]), 1 << 28)
    while True:
        for _ in range(50):
            journal.append(0, b"y" * 100)
        print(await journal.sync(), flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_record(tmp_path: Path, opened: Callable[..., Journal]) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "j")], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = 0
    for line in writer.stdout:
        acknowledged = int(line)
        if acknowledged >= 2000:
            os.kill(writer.pid, signal.SIGKILL)
            break
    tail = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    acknowledged = max([acknowledged, *map(int, tail)])
    sequences = [sequence for sequence, _, _ in opened(tmp_path / "j").replay()]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len(sequences) >= acknowledged


def test_the_drawn_layout_is_what_is_on_disk(tmp_path: Path, opened: Callable[..., Journal]) -> None:
    journal = opened(tmp_path / "j")
    journal.append(9, b"payload")
    journal.close()
    content = next((tmp_path / "j").glob("*.journal")).read_bytes()
    length, _, sequence, kind = HEAD.unpack(content[: HEAD.size])
    assert (length, sequence, kind, content[HEAD.size :]) == (7, 1, 9, b"payload")
