"""The invoice as a designed PDF: set once from the issued document, stored as bytes, never set again."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
import typst

from bss import canonical, money
from bss.metrics import PDFS
from bss.store import invoice, invoice_pdf
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.state import State, insert_new

log = structlog.get_logger(__name__)
TEMPLATE = Path(__file__).with_name("invoice.typ")
TITLES = {"invoice": "Invoice", "credit_note": "Credit note"}
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class PdfError(Exception):
    """The page of an invoice cannot be set: which, and why. The invoice itself stands."""

    def __init__(self, number: str, why: str) -> None:
        super().__init__(f"{number}: {why}")
        self.number = number


def render(document: Mapping[str, Any]) -> bytes:
    """The PDF of an invoice document; its texts enter as JSON data, so none of them can act as markup.

    PdfError when the page cannot be set.
    """
    try:
        made: Any = typst.compile(str(TEMPLATE), format="pdf", sys_inputs={"invoice": json.dumps(_view(document))})
    except RuntimeError as error:
        raise PdfError(document["number"], str(error)) from error
    return bytes(made)


def _view(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows, every figure already written out."""
    currency, totals, seller = document["currency"], document["totals"], document["seller"]
    due = date.fromisoformat(document["due_on"])
    pays = document["kind"] == "invoice" and totals["gross_minor"] and not document["simulated"]
    return {
        "number": document["number"],
        "title": TITLES[document["kind"]],
        "simulated": document["simulated"],
        "currency": currency,
        "seller": seller,
        "customer": document["customer"],
        "facts": _facts(document),
        "groups": _groups(document),
        "sums": [["Net", _amount(totals["net_minor"], currency)]] + [_tax(row, currency) for row in document["taxes"]],
        "total_name": "Total" if document["kind"] == "invoice" else "Credit",
        "total": _amount(totals["gross_minor"], currency),
        "payment": f"Please pay by {_long(due)}" + (f" to {seller['bank']}" if seller["bank"] else "") if pays else "",
        "quality": [_quality(row) for row in document["quality"]],
        "explain": f"trunkline explain {document['number']}/{document['lines'][-1]['no']}",
        "sha256": canonical.sha256(canonical.encode(document)),
        "footer": "   ".join(filter(None, (seller[name] for name in ("name", "tax_id", "email", "bank")))),
    }


def _facts(document: Mapping[str, Any]) -> list[list[str]]:
    period = document["period"]
    zone = ZoneInfo(period["time_zone"])
    facts = [
        ("Date", _long(date.fromisoformat(document["issued_on"]))),
        ("Due", _long(date.fromisoformat(document["due_on"]))),
        ("Period", _span(period, zone)),
        ("Time zone", period["time_zone"]),
        ("Customer", document["customer"]["number"]),
        ("Tax id", document["customer"]["tax_id"]),
    ]
    return [[name, value] for name, value in facts if value]


def _span(period: Mapping[str, str], zone: ZoneInfo) -> str:
    """The days of a period, as short as they can be said."""
    first, after = (_in_zone(period[name], zone) for name in ("start", "end"))
    last = (after - timedelta(seconds=1)).date()
    begins = _long(first.date())
    if first.year == last.year:
        begins = begins.removesuffix(f" {first.year}")
    if (first.year, first.month) == (last.year, last.month):
        begins = str(first.day)
    return f"{begins} \u2013 {_long(last)}"


def _head(line: Mapping[str, Any]) -> tuple[str, str]:
    """What a line stands under: its service, with whose it is where another pays."""
    if line["kind"] != "charge":
        return "Corrections of earlier months", ""
    owner = f", {line['owner']['number']} {line['owner']['name']}" if "owner" in line else ""
    return line["service"]["name"] or "Other charges", line["service"]["number"] + owner


def _groups(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines under the service they are for; corrections of earlier months under a heading of their own, as they stand."""
    groups: list[dict[str, Any]] = []
    for line in document["lines"]:
        head = _head(line)
        if not groups or (groups[-1]["name"], groups[-1]["number"]) != head:
            groups.append({"name": head[0], "number": head[1], "lines": []})
        groups[-1]["lines"].append(_line(line, document))
    return groups


def _line(line: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    credit = line["kind"] == "credit"
    return {
        "no": line["no"],
        "description": line["description"],
        "details": _details(line, document),
        "quantity": "" if credit else _grouped(line["quantity"]),
        "unit": "" if credit else line["unit"],
        "unit_price": "" if credit else _grouped(line["unit_price"]),
        "amount": _amount(line["amount_minor"], document["currency"]),
    }


def _details(line: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    """The facts behind the amount, in small print."""
    computed, zone = line["computation"], ZoneInfo(document["period"]["time_zone"])
    found = [] if line["kind"] == "charge" else [f"{line['service']['number']} {line['service']['name']}"]
    if computed.get("rank"):
        at = datetime.fromtimestamp(computed["slot_ns"] // NS_PER_S, UTC).astimezone(zone)
        ranked = f"slot {_grouped(str(computed['rank']))} of {_grouped(str(computed['slots_ranked']))}"
        found.append(f"{computed['rate_mbps']} Mbit/s {computed['direction']}, {ranked}, {_long(at.date())} {at:%H:%M}")
    if "used_gb" in computed:
        found.append(f"{_grouped(computed['used_gb'])} GB used, {_grouped(computed['included_gb'])} GB included")
    if (shares := computed.get("proration", {})).get("whole", 1) != 1:
        found.append(f"{shares['part']} of {shares['whole']} {'seconds' if shares.get('policy') == 'by_seconds' else 'days'}")
    return found + _said(line, document, zone)


def _said(line: Mapping[str, Any], document: Mapping[str, Any], zone: ZoneInfo) -> list[str]:
    """What else a customer must know of an amount: other days, another currency, a share, a price with tax."""
    found = []
    if line["kind"] == "charge" and line["period"]["name"] != document["period"]["name"]:
        found.append(_span(line["period"], zone))
    if exchanged := line.get("exchange"):
        amount = _amount(exchanged["amount_minor"], exchanged["currency"])
        found.append(f"{amount} {exchanged['currency']}, {exchanged['rate']} ({exchanged['source']}, {exchanged['day']})")
    if share := line.get("share"):
        found.append(f"{share['ppm'] / 10_000:g} % of {_amount(share['amount_minor'], document['currency'])}")
    if "gross_minor" in line:
        found.append(f"{_amount(line['gross_minor'], document['currency'])} with tax")
    return found


def _quality(row: Mapping[str, Any]) -> dict[str, Any]:
    """100 % is said only of a month in which every slot is good: the share is rounded down."""
    hundredths = row["good"] * 10_000 // row["slots"]
    return dict(row) | {"percent": f"{hundredths // 100}.{hundredths % 100:02d} %"}


def _tax(row: Mapping[str, Any], currency: str) -> list[str]:
    whole, part = divmod(row["rate_ppm"], 10_000)
    rate = f"{whole}.{part:04d}".rstrip("0").rstrip(".")
    why = f", {row['reason']}" if row.get("reason") else ""
    return [f"Tax {rate} % on {_amount(row['net_minor'], currency)}{why}", _amount(row["tax_minor"], currency)]


def _amount(amount_minor: int, currency: str) -> str:
    return _grouped(money.text(amount_minor, currency))


def _grouped(number: str) -> str:
    """1234567.50 as people read it: 1,234,567.50, and with a true minus sign."""
    whole, point, rest = number.lstrip("-").partition(".")
    return ("\u2212" if number.startswith("-") else "") + f"{int(whole):,}{point}{rest}"


def _long(day: date) -> str:
    """3 July 2026, whatever the locale."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _in_zone(instant: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(instant).astimezone(zone)


async def pdf_of(state: State, scope: Scope, invoice_id: str) -> bytes | None:
    """The stored PDF of an invoice, set now if it was not yet; None when the scope sees no such invoice. PdfError."""
    scope.require(Role.BILLING, "reading an invoice")
    c, p = invoice.c, invoice_pdf.c
    where = [c.tenant == scope.tenant, c.id == invoice_id] + ([c.customer_id.in_(scope.customers)] if scope.customers else [])
    async with state.read() as conn:
        document = (await conn.execute(sa.select(c.document).where(*where))).scalar()
        stored = sa.select(p.pdf).where(p.tenant == scope.tenant, p.invoice_id == invoice_id)
        found = (await conn.execute(stored)).scalar() if document else None
    if document is None or found is not None:
        return found
    return await _set(state, scope.tenant, invoice_id, document)


async def set_missing(state: State, scope: Scope, period: str) -> int:
    """Set the page of each invoice of a period that has none yet, each in a transaction of its own; return how many.

    One that cannot be set is counted and logged; it is tried again when it is read, or by the next run.
    """
    scope.require(Role.BILLING, "setting invoices")
    c, p = invoice.c, invoice_pdf.c
    has = sa.exists().where(p.tenant == c.tenant, p.invoice_id == c.id)
    async with state.read() as conn:
        ids = (
            (await conn.execute(sa.select(c.id).where(c.tenant == scope.tenant, c.period == period, ~has).order_by(c.number)))
            .scalars()
            .all()
        )
    done = 0
    for id_ in ids:
        async with state.read() as conn:
            document = (await conn.execute(sa.select(c.document).where(c.tenant == scope.tenant, c.id == id_))).scalar_one()
        try:
            await _set(state, scope.tenant, id_, document)
        except PdfError as error:
            PDFS.labels("failed").inc()
            log.error("invoice not set as PDF", number=error.number, error=str(error))
            continue
        done += 1
    return done


async def _set(state: State, tenant: int, invoice_id: str, document: str) -> bytes:
    """Set a page and keep it; of two set at the same time the first stays, and is what both get."""
    made = await asyncio.to_thread(render, json.loads(document))
    row = {"tenant": tenant, "invoice_id": invoice_id, "pdf": made, "sha256": hashlib.sha256(made).hexdigest()}
    mine = (invoice_pdf.c.tenant == tenant, invoice_pdf.c.invoice_id == invoice_id)
    async with state.write() as conn:
        await insert_new(conn, invoice_pdf, [row], ("tenant", "invoice_id"))
        kept = (await conn.execute(sa.select(invoice_pdf.c.pdf).where(*mine))).scalar_one()
    PDFS.labels("set").inc()
    return bytes(kept)
