"""Blocks: what is decoded is what was encoded, and any other octets are refused."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from station.batch import Notification, SampleBatch
from station.bus import blocks, notices
from station.bus.columns import BlockError, Reader, packed

EDGES = st.sampled_from([0, 1, 2**31, 2**32, 2**63, 2**64 - 1])


@given(arrays.arrays(np.uint64, st.integers(0, 60), elements=EDGES | st.integers(0, 2**64 - 1)))
def test_a_column_comes_back_whatever_its_form(column: np.ndarray) -> None:
    reader = Reader(packed(column))
    assert reader.column(len(column), np.uint64).tolist() == column.tolist()
    reader.end()


@pytest.mark.parametrize(
    ("column", "octets"),
    [
        (np.full(10_000, 7, np.int64), 9),
        (np.repeat(np.arange(10), 1_000), 5 + 10 * 12),
        (np.arange(10_000) * 100, 10 + 9_999),
        (np.arange(10_000) % 2 * 2**40, 1 + 80_000),
    ],
)
def test_a_column_takes_its_shortest_form(column: np.ndarray, octets: int) -> None:
    assert len(packed(column)) == octets
    assert (Reader(packed(column)).column(len(column), np.int64) == column).all()


def batch(n: int, seed: int = 1) -> SampleBatch:
    """Half counters, half gauges of many devices, in order of device."""
    chance = np.random.default_rng(seed)
    gauge = np.arange(n) % 2 == 0
    return SampleBatch.of(
        np.repeat(1_790_000_000_000_000_000 + np.arange(n // 10 + 1) * 1_000_003, 10)[:n],
        np.arange(n, dtype=np.uint64) << np.uint64(8),
        value=np.where(gauge, chance.normal(size=n), np.nan),
        raw=np.where(gauge, np.uint64(0), chance.integers(0, 2**64, n, np.uint64)),
        uptime_cs=np.repeat(np.arange(n // 10 + 1), 10)[:n],
        width=np.full(n, 64, np.uint8),
    )


def same(a: SampleBatch, b: SampleBatch) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "value") for name in a.__dataclass_fields__)


@pytest.mark.parametrize("n", [0, 1, 2, 999])
def test_a_batch_comes_back_whole(n: int) -> None:
    assert same(blocks.decode(blocks.encode(batch(n))), batch(n))


def test_a_row_may_have_a_value_and_a_counter() -> None:
    both = SampleBatch.of(
        np.arange(3), np.arange(3, dtype=np.uint64), value=np.array([1.5, np.nan, 0.0]), raw=np.array([9, 8, 0], np.uint64)
    )
    assert same(blocks.decode(blocks.encode(both)), both)


def test_a_large_batch_is_cut_into_blocks_of_the_size_a_server_takes() -> None:
    whole = batch(30_000)
    parts = blocks.encode_all(whole, 100_000)
    assert len(parts) > 1 and all(len(block) <= 100_000 for _, block in parts)
    assert same(SampleBatch.concat([blocks.decode(block) for _, block in parts]), whole)


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_any_octets_are_a_batch_or_refused(octets: bytes, at: int, value: int) -> None:
    spoilt = bytearray(blocks.encode(batch(40)))
    spoilt[at % len(spoilt)] = value
    for given_octets in (octets, bytes(spoilt), bytes(spoilt[:at])):
        with suppress(BlockError):
            blocks.decode(given_octets)


SAID = [
    Notification(1, "10.0.0.1", 7, "snmp_trap", "linkDown", "", {"ifIndex": "3", "ifName": "xe-0"}),
    Notification(2, "10.0.0.1", 7, "syslog", "%LINK-3", "Grüße\n", {}, True),
]


def test_messages_come_back_in_their_order() -> None:
    assert notices.decode(notices.encode(SAID)) == SAID


@given(st.binary(max_size=200))
def test_any_octets_are_messages_or_refused(octets: bytes) -> None:
    for given_octets in (octets, notices.encode(SAID)[: len(octets)], notices.packed({"texts": list(octets)})):
        with pytest.raises(BlockError):
            notices.decode(given_octets)
