"""`[bss.cash]`: the operator's own account, and the card providers that may tell of payments."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bss.cash.iban import IbanError, checked_iban
from station.settings import Settings


def _iban(value: str) -> str:
    try:
        return checked_iban(value) if value else ""
    except IbanError as error:
        raise ValueError(str(error)) from error


class ProviderSettings(Settings):
    """A card provider: `format` is a file of `config/card_providers`, the webhook's key the password of a login in the vault."""

    name: str = Field(pattern=r"\A[a-z][a-z0-9_]{0,31}\z")
    format: str = Field("trunkline", max_length=64)
    credential: str = Field(min_length=1, max_length=64)


class CashSettings(Settings):
    """Without `creditor_id` and `iban` nobody is debited."""

    creditor_id: str = Field("", pattern=r"\A([A-Z]{2}\d{2}[A-Z0-9]{3}[A-Z0-9]{1,28})?\z", description="SEPA creditor identifier")
    iban: Annotated[str, AfterValidator(_iban)] = ""
    bic: str = Field("", pattern=r"\A([A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?)?\z")
    lead_days: int = Field(2, ge=1, le=30, description="days between a debit file and the day of collection")
    providers: tuple[ProviderSettings, ...] = ()
    signature_s: int = Field(300, ge=1, le=3600, description="how old a webhook's signature may be")
