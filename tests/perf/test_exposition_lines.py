"""Lines written by the kernel are those that Python would write."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.exposition_lines import Numbers, Texts, lines

pytestmark = pytest.mark.slow  # the kernel is compiled
LABELS = [b"", b'{node="a"}', '{node="Zürich \\"x\\""}'.encode()]
whole = st.integers(0, 2**64 - 1)
slots = st.integers(0, len(LABELS) - 1)


@given(st.lists(st.tuples(slots, whole), max_size=20))
def test_counters_are_written_to_the_last_digit(rows: list[tuple[int, int]]) -> None:
    which, raw = np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows], np.uint64)
    expected = b"".join(b"m_total" + LABELS[slot] + b" %d\n" % number for slot, number in rows)
    assert lines(b"m_total", Texts.of(LABELS), which, Numbers.of_counters(raw)) == expected


@given(st.lists(st.tuples(slots, st.floats()), max_size=20))
def test_gauges_come_back_as_the_same_number(rows: list[tuple[int, float]]) -> None:
    which, value = np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows])
    written = lines(b"m", Texts.of(LABELS), which, Numbers.of_gauges(value)).splitlines()
    assert [line.rpartition(b" ")[0] for line in written] == [b"m" + LABELS[slot] for slot, _ in rows]
    np.testing.assert_array_equal([float(line.rpartition(b" ")[2]) for line in written], value)


def test_numbers_that_are_none_have_the_formats_own_words() -> None:
    values = np.array([np.nan, np.inf, -np.inf, -3.0, 1e15, 0.25])
    written = lines(b"m", Texts.of([b""]), np.zeros(6, np.int64), Numbers.of_gauges(values)).split()
    assert written[1::2] == [b"NaN", b"+Inf", b"-Inf", b"-3", b"1000000000000000.0", b"0.25"]
