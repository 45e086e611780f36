"""Settings of the business side."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bss.cash.settings import CashSettings
from bss.cycles import ShortMonth
from bss.dunning.settings import DunningSettings
from station.settings import Settings


class TaxRounding(StrEnum):
    """PER_RATE: tax is rounded once, on the sum of the lines of a rate. PER_LINE: on each line, and summed."""

    PER_RATE = "per_rate"
    PER_LINE = "per_line"


class LegalEntity(Settings):
    """Another company that bills besides the operator, with number series of its own."""

    name: str
    address: str = ""
    country: str = Field(default="", pattern=r"\A([A-Z]{2})?\z")
    tax_id: str = ""
    email: str = ""
    bank: str = ""
    contact: str = ""
    phone: str = ""
    legal_id: str = ""
    series: str = Field(pattern=r"\A[A-Z0-9]{1,8}\z")
    credit_series: str = Field(default="", pattern=r"\A[A-Z0-9]{0,8}\z")
    note_series: str = Field(default="", pattern=r"\A[A-Z0-9]{0,8}\z")


class BssSettings(Settings):
    """Who bills and how; the zone of its months is that of mediation (`BillingSettings.time_zone`).

    Changing the operator's data changes future invoices only.
    """

    currency: str = Field(default="EUR", pattern=r"\A[A-Z]{3}\z")
    operator_name: str = "Trunkline Networks"
    operator_address: str = ""
    operator_country: str = Field(default="", pattern=r"\A([A-Z]{2})?\z", description="ISO 3166-1, wanted by electronic invoices")
    operator_tax_id: str = Field(default="", description="VAT identifier with its country's prefix")
    operator_email: str = ""
    operator_bank: str = ""
    operator_contact: str = Field(default="", description="whom a buyer asks; wanted by XRechnung, with the number below")
    operator_phone: str = ""
    operator_legal_id: str = Field(default="", description="registration of the company, as electronic invoices show it")
    invoice_series: str = Field(default="INV", pattern=r"\A[A-Z0-9]{1,8}\z", description="prefix of invoice numbers")
    note_series: str = Field(default="NOTE", pattern=r"\A[A-Z0-9]{1,8}\z", description="prefix of credit and debit notes")
    approval_minor: int = Field(default=0, ge=0, description="refunds and write-offs up to this many minor units need no second person")
    payment_days: int = Field(default=30, ge=0, le=365)
    grace_h: int = Field(default=48, ge=0, description="how long after a month's end its late usage still joins its bill")
    adjust_months: int = Field(default=12, ge=0, le=36, description="how many months back late usage is corrected")
    short_month: ShortMonth = ShortMonth.LAST_DAY
    tax_rounding: TaxRounding = TaxRounding.PER_RATE
    credit_series: str = Field(
        default="", pattern=r"\A[A-Z0-9]{0,8}\z", description="prefix of invoices below nothing; empty: that of invoices"
    )
    debit_series: str = Field(default="", pattern=r"\A[A-Z0-9]{0,8}\z", description="prefix of debit notes; empty: that of notes")
    entities: dict[Annotated[str, Field(pattern=r"\A[a-z0-9_]{1,32}\z")], LegalEntity] = Field(default_factory=dict)
    freeze_minor: int | None = Field(default=None, ge=0, description="a run of more than this waits for a second person; none: never")
    publish: bool = Field(default=False, description="a tariff's version is used only once a second person published it")
    dunning: DunningSettings = DunningSettings()
    cash: CashSettings = CashSettings()
    cost_port_minor: int = Field(default=0, ge=0, description="what a port costs a month, for the margin of services")
    cost_gigabyte_minor: int = Field(default=0, ge=0, description="what 10^9 octets cost, for the margin of services")
