"""Hostile text on its way out: no formula in a cell, no forged line in a log."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.security.text import csv_cell, printable


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1", "\u00a0=1", "＝1", "=cmd|' /C calc'!A0"])
def test_a_cell_that_could_start_a_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_cell(text) == "'" + text


@pytest.mark.parametrize("value", ["plain", "a=b", "10.0.0.1", "", "'=1", -1, -1.5, None, True])
def test_other_cells_and_numbers_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) is value


@given(st.text())
def test_no_written_cell_starts_a_formula(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell(text)])
    assert not out.getvalue().lstrip('" \u00a0').startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Grüße 你好 😀", "plain Grüße 你好 😀"),
        ("a\r\nERROR forged", "a\\r\\nERROR forged"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_control_and_direction_characters_are_shown_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_any_text_becomes_one_encodable_line(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1 and "\x1b" not in shown
    shown.encode()


def test_a_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 10_000, 10) == "x" * 10 + "... (10000 characters)"
