"""The invoice as a designed PDF: set once from the issued document, stored as bytes, never set again."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import typst

from bss import money
from bss.store import invoice, invoice_pdf
from station.scope import Role, Scope
from station.state import State, insert_new

TEMPLATE = Path(__file__).with_name("invoice.typ")
QUALITY = ("service", "slots", "good", "interpolated", "gap", "rejected", "reset")
TITLES = {"invoice": "Invoice", "credit_note": "Credit note"}


def render(document: Mapping[str, Any]) -> bytes:
    """The PDF of an invoice document; its texts enter as JSON data, so none of them can act as markup."""
    made: Any = typst.compile(str(TEMPLATE), format="pdf", sys_inputs={"invoice": json.dumps(_view(document))})
    return bytes(made)


def _view(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows, every figure already written out."""
    currency, totals = document["currency"], document["totals"]
    return {
        "number": document["number"],
        "title": TITLES[document["kind"]],
        "simulated": document["simulated"],
        "currency": currency,
        "seller": document["seller"],
        "customer": document["customer"],
        "facts": _facts(document),
        "lines": [_line(line, currency) for line in document["lines"]],
        "sums": [["Net", money.text(totals["net_minor"], currency)]] + [_tax(row, currency) for row in document["taxes"]],
        "total": money.text(totals["gross_minor"], currency),
        "quality": [
            [str(row[name]) for name in ("service", "slots", "good", "interpolated", "gap", "rejected", "reset")]
            for row in document["quality"]
        ],
        "footer": "  |  ".join(filter(None, (document["seller"][name] for name in ("name", "tax_id", "email", "bank")))),
    }


def _facts(document: Mapping[str, Any]) -> list[list[str]]:
    period = document["period"]
    facts = [
        ("Number", document["number"]),
        ("Date", document["issued_on"]),
        ("Due", document["due_on"]),
        ("Period", f"{period['name']} ({period['time_zone']})"),
        ("Customer", document["customer"]["number"]),
        ("Tax id", document["customer"]["tax_id"]),
    ]
    return [[name, value] for name, value in facts if value]


def _line(line: Mapping[str, Any], currency: str) -> dict[str, Any]:
    detail = f"{line['service']['number']} {line['service']['name']}, {line['period']['name']}"
    if line["computation"].get("rank"):
        computed = line["computation"]
        detail += f"; slot {computed['rank']} of {computed['slots_ranked']}: {computed['rate_mbps']} Mbit/s"
    credit = line["kind"] == "credit"
    return {
        "no": line["no"],
        "description": line["description"],
        "detail": detail,
        "quantity": "" if credit else f"{line['quantity']} {line['unit']}",
        "unit_price": "" if credit else line["unit_price"],
        "amount": money.text(line["amount_minor"], currency),
    }


def _tax(row: Mapping[str, int], currency: str) -> list[str]:
    whole, part = divmod(row["rate_ppm"], 10_000)
    rate = f"{whole}.{part:04d}".rstrip("0").rstrip(".")
    return [f"Tax {rate} % on {money.text(row['net_minor'], currency)}", money.text(row["tax_minor"], currency)]


async def pdf_of(state: State, scope: Scope, invoice_id: str) -> bytes | None:
    """The stored PDF of an invoice, set now if it was not yet; None when the scope sees no such invoice."""
    scope.require(Role.BILLING, "reading an invoice")
    c, p = invoice.c, invoice_pdf.c
    where = [c.tenant == scope.tenant, c.id == invoice_id] + ([c.customer_id.in_(scope.customers)] if scope.customers else [])
    stored = sa.select(p.pdf).where(p.tenant == scope.tenant, p.invoice_id == invoice_id)
    async with state.read() as conn:
        document = (await conn.execute(sa.select(c.document).where(*where))).scalar()
        found = (await conn.execute(stored)).scalar() if document else None
    if document is None or found is not None:
        return found
    made = await asyncio.to_thread(render, json.loads(document))
    row = {"tenant": scope.tenant, "invoice_id": invoice_id, "pdf": made, "sha256": hashlib.sha256(made).hexdigest()}
    async with state.write() as conn:
        await insert_new(conn, invoice_pdf, [row], ("tenant", "invoice_id"))
        return bytes((await conn.execute(stored)).scalar_one())
