"""Exact money: whole minor units beside their currency (ISO 4217), and the named rules by which a Decimal becomes one."""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from enum import StrEnum

# The currencies of ISO 4217 whose minor unit is not a hundredth.
_NO_DECIMALS = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF")
_THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_EXPONENTS = dict.fromkeys(_NO_DECIMALS, 0) | dict.fromkeys(_THREE_DECIMALS, 3) | {"CLF": 4, "UYW": 4}

PPM = 1_000_000
_EXACT = Context(prec=60)


class Rounding(StrEnum):
    """HALF_UP: a half goes away from zero, so that a credit is the mirror of its debit. HALF_EVEN: to the even neighbour.
    UP: towards plus infinity, as started units are charged. DOWN: towards zero."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    UP = "up"
    DOWN = "down"


_MODES = {
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.UP: ROUND_CEILING,
    Rounding.DOWN: ROUND_DOWN,
}


def exponent(currency: str) -> int:
    """Decimal places of the currency's minor unit: EUR 2, JPY 0, BHD 3."""
    return _EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal, currency: str, rounding: Rounding) -> int:
    """Whole minor units of an amount in major units."""
    return int(_EXACT.scaleb(amount, exponent(currency)).quantize(Decimal(1), _MODES[rounding], _EXACT))


def quantize(value: Decimal, quantum: Decimal, rounding: Rounding) -> Decimal:
    """The multiple of `quantum` that the rule chooses; quantum may be any positive Decimal (0.01, 1, 5)."""
    return _EXACT.multiply(_EXACT.divide(value, quantum).quantize(Decimal(1), _MODES[rounding], _EXACT), quantum)


def share(amount_minor: int, part: int, whole: int, rounding: Rounding) -> int:
    """`amount_minor` * part / whole in whole minor units, rounded once."""
    exact, mode = amount_minor * part, _MODES[rounding]
    whole_part, rest = divmod(abs(exact), whole)
    nearest = Decimal(whole_part) + _EXACT.divide(Decimal(rest), Decimal(whole))
    signed = nearest if exact >= 0 else -nearest
    return int(signed.quantize(Decimal(1), mode, _EXACT))


def tax(net_minor: int, rate_ppm: int, rounding: Rounding) -> int:
    """Tax in minor units on a net amount, at a rate in parts per million."""
    return share(net_minor, rate_ppm, PPM, rounding)


def text(amount_minor: int, currency: str) -> str:
    """The amount in major units with all its decimals and no grouping: -12.30."""
    places = exponent(currency)
    digits = str(abs(amount_minor)).rjust(places + 1, "0")
    major = digits if not places else f"{digits[:-places]}.{digits[-places:]}"
    return f"-{major}" if amount_minor < 0 else major
