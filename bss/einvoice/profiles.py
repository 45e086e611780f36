"""National and network profiles of EN 16931 as data: how a document calls itself, and what it must hold beyond the standard.

config/einvoice/<profile>.toml
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from bss.einvoice.terms import EInvoiceError, Party, Terms
from station.settings import Settings, faults_of

Wanted = Literal[
    "payment",
    "seller.contact",
    "seller.phone",
    "seller.email",
    "seller.city",
    "seller.post_code",
    "seller.endpoint",
    "buyer.city",
    "buyer.post_code",
    "buyer.endpoint",
    "buyer_reference",
]


class Demand(Settings):
    """A field that must be there, and the rule that says so."""

    field: Wanted
    rule: Annotated[str, Field(min_length=1, max_length=64)]


class Profile(Settings):
    """`customization` is BT-24, `process` BT-23. Electronic addresses are e-mails (EM), or VAT identifiers in the scheme that
    `vat_schemes` names for the country."""

    summary: str
    customization: Annotated[str, Field(min_length=1, max_length=200)]
    process: str = ""
    vat_schemes: Mapping[Annotated[str, Field(pattern=r"\A[A-Z]{2}\z")], Annotated[str, Field(pattern=r"\A\d{4}\z")]] = {}
    demands: tuple[Demand, ...] = ()

    def endpoint(self, party: Party) -> tuple[str, str]:
        """(scheme, identifier) of a party's electronic address (BT-34, BT-49); empty where it has none."""
        if not self.vat_schemes:
            return ("EM", party.email) if party.email else ("", "")
        scheme = self.vat_schemes.get(party.country, "")
        return (scheme, party.vat_id) if scheme and party.vat_id else ("", "")

    def check(self, terms: Terms) -> None:
        """EInvoiceError with every rule that the document does not meet."""
        lacking = [f"{demand.field} ({demand.rule})" for demand in self.demands if not self._has(terms, demand.field)]
        if lacking:
            raise EInvoiceError(f"{self.summary} wants {', '.join(lacking)}")

    def _has(self, terms: Terms, field: Wanted) -> bool:
        if field == "payment":
            return bool(terms.iban)
        if field == "buyer_reference":
            return bool(terms.buyer_reference)
        side, _, name = field.partition(".")
        party = terms.seller if side == "seller" else terms.buyer
        return bool(self.endpoint(party)[1] if name == "endpoint" else getattr(party, name))


EN_16931 = Profile(summary="EN 16931", customization="urn:cen.eu:en16931:2017")


@cache
def profiles(folder: Path) -> Mapping[str, Profile]:
    """Every profile of a folder by name; EInvoiceError names each fault with its line."""
    found = {"en16931": EN_16931}
    for path in sorted(folder.glob("*.toml")):
        text = path.read_text()
        try:
            found[path.stem] = Profile.model_validate(tomllib.loads(text))
        except ValidationError as error:
            raise EInvoiceError("\n".join(map(str, faults_of(error, Profile, str(path), text)))) from error
    return found
