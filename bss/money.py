"""Exact money: whole minor units beside their currency (ISO 4217), and the named rules by which a Decimal becomes one."""

from contextlib import AbstractContextManager
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from enum import StrEnum

# The currencies of ISO 4217 whose minor unit is not a hundredth.
_NO_DECIMALS = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF")
_THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_EXPONENTS = dict.fromkeys(_NO_DECIMALS, 0) | dict.fromkeys(_THREE_DECIMALS, 3) | {"CLF": 4, "UYW": 4}

# The active codes of ISO 4217, funds and metals left out.
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP CNY COP
    CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR
    ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
    MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
    SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF
    YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a table to read
)

PPM = 1_000_000
_EXACT = Context(prec=100)  # the product of two prices of 30 digits, and a quotient far beyond any half


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


def exact() -> AbstractContextManager[Context]:
    """A block in which operators on Decimals keep 100 digits instead of 28."""
    return localcontext(_EXACT)


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
    """`amount_minor` * part / whole in whole minor units, rounded once; in integers throughout."""
    product = amount_minor * part
    quotient, rest = divmod(abs(product), whole)
    more = {
        Rounding.HALF_UP: 2 * rest >= whole,
        Rounding.HALF_EVEN: 2 * rest > whole or (2 * rest == whole and quotient % 2 == 1),
        Rounding.UP: product > 0 and rest > 0,
        Rounding.DOWN: False,
    }[rounding]
    return (quotient + more) * (1 if product >= 0 else -1)


def tax(net_minor: int, rate_ppm: int, rounding: Rounding) -> int:
    """Tax in minor units on a net amount, at a rate in parts per million."""
    return share(net_minor, rate_ppm, PPM, rounding)


def text(amount_minor: int, currency: str) -> str:
    """The amount in major units with all its decimals and no grouping: -12.30."""
    places = exponent(currency)
    digits = str(abs(amount_minor)).rjust(places + 1, "0")
    major = digits if not places else f"{digits[:-places]}.{digits[-places:]}"
    return f"-{major}" if amount_minor < 0 else major
