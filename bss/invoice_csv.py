"""An invoice's lines as CSV (RFC 4180): amounts in major units with all their decimals, cells that no spreadsheet runs."""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bss import money
from station.security.text import csv_cell

COLUMNS = (
    "invoice", "line", "kind", "period", "service_number", "service_name", "charge", "description", "quantity", "unit",
    "unit_price", "amount", "currency", "tax_percent", "tariff", "tariff_effective", "corrects_invoice", "corrects_line",
)  # fmt: skip


def as_csv(document: Mapping[str, Any]) -> bytes:
    """One row per line, in the invoice's order; the amounts sum to its net total."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([csv_cell(cell) for cell in _cells(line, document)] for line in document["lines"])
    return text.getvalue().encode()


def _cells(line: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[object, ...]:
    """Numbers go as numbers: a negative amount is no formula."""
    currency, corrects = document["currency"], line["corrects"] or {}
    return (
        document["number"],
        line["no"],
        line["kind"],
        line["period"]["name"],
        line["service"]["number"],
        line["service"]["name"],
        line["charge"],
        line["description"],
        Decimal(line["quantity"]),
        line["unit"],
        Decimal(line["unit_price"]),
        Decimal(money.text(line["amount_minor"], currency)),
        currency,
        Decimal(line["tax_rate_ppm"]) / 10_000,
        line["tariff"]["name"],
        line["tariff"]["effective"],
        corrects.get("invoice", ""),
        corrects.get("line", ""),
    )
