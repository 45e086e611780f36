"""Settings of the business side."""

from pydantic import Field

from bss.dunning.settings import DunningSettings
from station.settings import Settings


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
    invoice_series: str = Field(default="INV", pattern=r"\A[A-Z0-9]{1,8}\z", description="prefix of invoice numbers")
    note_series: str = Field(default="NOTE", pattern=r"\A[A-Z0-9]{1,8}\z", description="prefix of credit and debit notes")
    approval_minor: int = Field(default=0, ge=0, description="refunds and write-offs up to this many minor units need no second person")
    payment_days: int = Field(default=30, ge=0, le=365)
    grace_h: int = Field(default=48, ge=0, description="how long after a month's end its late usage still joins its bill")
    adjust_months: int = Field(default=12, ge=0, le=36, description="how many months back late usage is corrected")
    dunning: DunningSettings = DunningSettings()
