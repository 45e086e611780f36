"""The spool: bounded in octets and in age, and what it lets go of is counted and dated."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from station import journal as journal_module
from station.bus import spool as spool_module
from station.bus.settings import SpoolSettings
from station.bus.spool import Spool
from station.clock import NS_PER_S, VirtualClock
from station.metrics import REGISTRY

HOUR_NS = 3600 * NS_PER_S


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1_000)
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1_000 * HOUR_NS)


@pytest.fixture
def spool(tmp_path: Path, clock: VirtualClock) -> Iterator[Spool]:
    with closing(Spool("s", tmp_path, 4_000, SpoolSettings(keep_h=24), clock)) as made:
        yield made


def lost(reason: str) -> float:
    return REGISTRY.get_sample_value("trunkline_spool_lost_rows_total", {"spool": "s", "reason": reason}) or 0.0


async def test_a_full_disk_costs_the_oldest_rows_which_are_counted_and_dated(spool: Spool, clock: VirtualClock) -> None:
    before, now_ns = lost("disk"), clock.now_ns()
    for n in range(40):
        await spool.put([(now_ns + n, 10, b"x" * 200)])
    gone = spool.first - 1
    assert 15 < gone < 40 and spool.waiting == 40 - gone
    assert lost("disk") - before == 10 * gone == spool.loss.rows
    assert (spool.loss.from_ns, spool.loss.to_ns) == (now_ns, now_ns + gone - 1)
    assert [record.sequence for record in await spool.next()] == list(range(gone + 1, 41))


async def test_what_is_older_than_it_is_kept_goes_although_there_is_room(spool: Spool, clock: VirtualClock) -> None:
    before = lost("age")
    for _ in range(6):
        await spool.put([(clock.now_ns(), 1, b"x" * 400)])
    assert lost("age") == before
    clock.advance(25 * HOUR_NS)
    await spool.put([(clock.now_ns(), 1, b"x" * 400)])
    assert lost("age") - before == spool.first - 1 > 0


async def test_what_the_station_has_leaves_and_another_spools_word_is_not_taken(spool: Spool) -> None:
    for n in range(6):
        await spool.put([(n, 1, b"x" * 400)])
    spool.release("another", 5)
    assert spool.waiting == 6
    spool.release(spool.epoch, 5)
    assert spool.waiting == 1


async def test_what_the_station_has_counts_as_sent_though_the_bus_never_answered(spool: Spool, clock: VirtualClock) -> None:
    for n in range(3):
        await spool.put([(clock.now_ns() + n, 1, b"x")])
    spool.sent, spool.sent_ns = 1, clock.now_ns()
    assert spool.oldest_ns == clock.now_ns()
    spool.release(spool.epoch, 3)
    assert (spool.sent, spool.oldest_ns, spool.waiting) == (3, 0, 0)


async def test_going_back_reads_again_from_there_under_another_try(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "RECENT_OCTETS", 900)
    for n in range(8):
        await spool.put([(n, n, b"%d" % n * 300)])
    spool.sent = 8
    spool.go_back(2)
    found = await spool.next()
    assert (spool.attempt, found[0].sequence) == (1, 3)
    spool.go_back(5)
    assert spool.attempt == 1


async def test_a_spool_that_is_opened_again_is_the_same_and_one_made_anew_is_another(tmp_path: Path, clock: VirtualClock) -> None:
    with closing(Spool("again", tmp_path, 4_000, SpoolSettings(), clock)) as first:
        await first.put([(1, 1, b"a")])
    with closing(Spool("again", tmp_path, 4_000, SpoolSettings(), clock)) as second:
        assert (second.epoch, second.waiting) == (first.epoch, 1)
    with closing(Spool("again", tmp_path / "elsewhere", 4_000, SpoolSettings(), clock)) as other:
        assert other.epoch != first.epoch
