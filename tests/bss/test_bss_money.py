"""Money against exact fractions: every rounding, every currency's minor unit, amounts of any size."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bss.money import Rounding, exponent, quantize, share, tax, text, to_minor

CURRENCIES = {"EUR": 2, "USD": 2, "JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3, "CLF": 4}
amounts = st.decimals(Decimal("-1e15"), Decimal("1e15"), places=12)
minors = st.integers(-(2**62), 2**62)
roundings = st.sampled_from(Rounding)


def rounded(value: Fraction, rule: Rounding) -> int:
    """The whole number that the rule names, by fractions."""
    sign, size = (-1 if value < 0 else 1), abs(value)
    return {
        Rounding.HALF_UP: sign * floor(size + Fraction(1, 2)),
        Rounding.HALF_EVEN: round(value),
        Rounding.UP: ceil(value),
        Rounding.DOWN: sign * floor(size),
    }[rule]


@given(amounts, st.sampled_from(sorted(CURRENCIES)), roundings)
def test_an_amount_becomes_the_minor_units_that_fractions_give(amount: Decimal, currency: str, rule: Rounding) -> None:
    assert to_minor(amount, currency, rule) == rounded(Fraction(amount) * 10 ** CURRENCIES[currency], rule)


@given(amounts, st.sampled_from(sorted(CURRENCIES)))
def test_a_credit_is_the_mirror_of_its_debit(amount: Decimal, currency: str) -> None:
    for rule in (Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.DOWN):
        assert to_minor(-amount, currency, rule) == -to_minor(amount, currency, rule)


@given(minors, st.integers(0, 400), st.integers(1, 400), roundings)
def test_a_share_is_exact_at_any_size(amount: int, part: int, whole: int, rule: Rounding) -> None:
    assert share(amount, part, whole, rule) == rounded(Fraction(amount * part, whole), rule)


@given(minors, st.integers(0, 1_000_000), roundings)
def test_tax_is_within_one_minor_unit_of_the_exact_tax(net: int, ppm: int, rule: Rounding) -> None:
    assert abs(tax(net, ppm, rule) - Fraction(net * ppm, 1_000_000)) < 1


@given(amounts, st.sampled_from(["0.01", "0.001", "1", "5", "0.25"]), roundings)
def test_a_quantity_becomes_the_multiple_that_fractions_give(value: Decimal, quantum: str, rule: Rounding) -> None:
    assert Fraction(quantize(value, Decimal(quantum), rule)) == rounded(Fraction(value) / Fraction(quantum), rule) * Fraction(quantum)


@given(minors, st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_as_text_reads_back_as_itself(amount: int, currency: str) -> None:
    shown = text(amount, currency)
    assert to_minor(Decimal(shown), currency, Rounding.DOWN) == amount
    assert len(shown.partition(".")[2]) == CURRENCIES[currency] == exponent(currency)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [(-5, "EUR", "-0.05"), (0, "JPY", "0"), (1234, "JPY", "1234"), (1234, "BHD", "1.234"), (-1, "BHD", "-0.001"), (5, "CLF", "0.0005")],
)
def test_an_amount_as_text(amount: int, currency: str, expected: str) -> None:
    assert text(amount, currency) == expected
