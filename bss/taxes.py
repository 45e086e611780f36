"""Which tax is due on a line: jurisdictions as data with dated rates, and the rules of place of supply.

    config/taxes/<jurisdiction>.toml    who taxes what at which rate from which day

Within one jurisdiction its own rate of the charge's class holds. Between two of the European Union a buyer with a VAT
identifier owes the tax (AE; K for goods), any other is taxed at home. From the Union to elsewhere it is an export (`outside`
of the seller's file). A category of the customer's own goes before all of these.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from bss.money import PPM, Rounding, share
from bss.rating.terms import Exact
from station.settings import Settings, faults_of

Category = Literal["S", "Z", "E", "AE", "K", "G", "O"]
GOODS = "goods"
REASONS: Mapping[str, tuple[str, str]] = {  # VATEX codes of the EN 16931 code lists
    "AE": ("VATEX-EU-AE", "Reverse charge"),
    "K": ("VATEX-EU-IC", "Intra-community supply"),
    "G": ("VATEX-EU-G", "Export outside the EU"),
    "O": ("VATEX-EU-O", "Not subject to VAT"),
    "E": ("", "Exempt from VAT"),
}


class TaxError(Exception):
    """No tax can be decided, and why."""


class DatedRate(Settings):
    """The rate of a class of supplies from a day on, until the next row of the class."""

    tax_class: Annotated[str, Field(alias="class", pattern=r"\A[a-z][a-z0-9_]{0,31}\z")]
    since: Annotated[date, Field(alias="from")]
    percent: Annotated[Exact, Field(le=100)]
    category: Literal["S", "Z", "E", "O"] | None = None
    reason: Annotated[str, Field(max_length=200)] = ""


class TaxExample(Settings):
    """A supply and the tax it must bear: [category, percent]."""

    says: str
    on: date
    tax_class: Annotated[str, Field(alias="class")] = "standard"
    buyer_country: str = ""
    buyer_tax_id: str = ""
    expect: tuple[str, str]


class Jurisdiction(Settings):
    """`eu`: its VAT is that of the Union. `back_billing_months`: how old a supply may be and still be billed."""

    summary: Annotated[str, Field(min_length=1, max_length=200)]
    reference: str = ""
    eu: bool = False
    outside: Literal["G", "O", "Z"] = "G"
    back_billing_months: Annotated[int, Field(ge=0, le=120)] | None = None
    net_neutrality: bool = False
    rates: Annotated[tuple[DatedRate, ...], Field(min_length=1, max_length=200)]
    examples: tuple[TaxExample, ...] = ()

    @model_validator(mode="after")
    def one_rate_a_day(self) -> "Jurisdiction":
        seen = [(rate.tax_class, rate.since) for rate in self.rates]
        if len(set(seen)) < len(seen):
            raise ValueError("two rates of a class begin on the same day")
        if not any(rate.tax_class == "standard" for rate in self.rates):
            raise ValueError("there is no class standard")
        return self

    def rate(self, tax_class: str, on: date) -> DatedRate | None:
        """The class's rate on a day; a class that the file does not name is standard."""
        named = tax_class if any(rate.tax_class == tax_class for rate in self.rates) else "standard"
        begun = [rate for rate in self.rates if rate.tax_class == named and rate.since <= on]
        return max(begun, key=lambda rate: rate.since, default=None)


@dataclass(frozen=True, slots=True)
class Tax:
    """What a line bears. `category` (UNCL 5305) is empty where the customer's own rate was taken without a jurisdiction."""

    rate_ppm: int
    category: str = ""
    jurisdiction: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Parties:
    """What decides beside the supply itself; countries by ISO 3166-1, `category` the customer's own."""

    seller_country: str
    buyer_country: str
    buyer_tax_id: str
    category: str = ""


def parse(text: str, where: str) -> Jurisdiction:
    """A jurisdiction from its file; TaxError names each fault with its line."""
    try:
        return Jurisdiction.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise TaxError(f"{where}: is not TOML: {error}") from error
    except ValidationError as error:
        raise TaxError("\n".join(map(str, faults_of(error, Jurisdiction, where, text)))) from error


def read(folder: Path) -> dict[str, str]:
    """The texts of a folder by jurisdiction; each is parsed, so that a fault is found here. Empty where there is no folder."""
    found = {path.stem: path.read_text() for path in sorted(folder.glob("*.toml"))}
    for name, text in found.items():
        parse(text, str(folder / f"{name}.toml"))
    return found


def decide(tables: Mapping[str, Jurisdiction], of: Parties, place: str, tax_class: str, on: date) -> Tax:
    """The tax of a supply on a day. `place` names a jurisdiction, or is `auto`: by the countries of both parties."""
    if of.category:
        return Tax(0, of.category, place if place != "auto" else of.seller_country, REASONS.get(of.category, ("", ""))[1])
    if place != "auto":
        return _at(tables, place, tax_class, on)
    seller, buyer = of.seller_country, of.buyer_country or of.seller_country
    home = tables.get(seller)
    if home is None:
        raise TaxError(f"there is no config/taxes/{seller or '?'}.toml for the seller's country")
    if seller == buyer:
        return _at(tables, seller, tax_class, on)
    abroad = tables.get(buyer)
    if home.eu and abroad is not None and abroad.eu:
        if not of.buyer_tax_id:
            return _at(tables, buyer, tax_class, on)
        category = "K" if tax_class == GOODS else "AE"
        return Tax(0, category, buyer, REASONS[category][1])
    return Tax(0, home.outside, seller, REASONS.get(home.outside, ("", ""))[1])


def _at(tables: Mapping[str, Jurisdiction], place: str, tax_class: str, on: date) -> Tax:
    table = tables.get(place)
    rate = table.rate(tax_class, on) if table else None
    if rate is None:
        raise TaxError(f"{place} has no rate of class {tax_class} on {on.isoformat()}")
    ppm = int(Decimal(rate.percent) * PPM / 100)
    category = rate.category or ("S" if ppm else "Z")
    return Tax(ppm, category, place, rate.reason or REASONS.get(category, ("", ""))[1])


def net_of(gross_minor: int, rate_ppm: int) -> int:
    """What of a price that includes tax is left without it, rounded half up; the tax is the rest, so that both sum exactly."""
    return share(gross_minor, PPM, PPM + rate_ppm, Rounding.HALF_UP)


def breakdown(lines: Sequence[Mapping[str, Any]], category: str, rounding: Rounding) -> list[dict[str, Any]]:
    """Tax by category and rate. A line that has its own tax (`tax_minor`) keeps it; that of the others is rounded once, on
    the sum of their amounts. `category` says why a customer without jurisdiction is not taxed."""
    sums: dict[tuple[int, str, str], list[int]] = {}
    for line in lines:
        said = line.get("tax") or {}
        key = (line["tax_rate_ppm"], said.get("category", "") or (category if not line["tax_rate_ppm"] else ""), said.get("reason", ""))
        row = sums.setdefault(key, [0, 0, 0])  # net, of it by sum, tax of lines
        row[0] += line["amount_minor"]
        own = said.get("tax_minor")
        row[1] += line["amount_minor"] if own is None else 0
        row[2] += own or 0
    return [
        {"rate_ppm": ppm, "net_minor": net, "tax_minor": own + share(by_sum, ppm, PPM, rounding)}
        | ({"category": kind} if kind else {})
        | ({"reason": why} if why else {})
        for (ppm, kind, why), (net, by_sum, own) in sorted(sums.items())
    ]
