"""Issuing: numbers without a gap, and every fact of a batch of invoices in one transaction, a statement for each table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import book, periods
from billing_bridge.guiding import by_start
from billing_bridge.store import usage_billed, usage_rated
from bss import canonical, document, ledger, snapshot, tmf678
from bss.lines import Draft, Inputs
from bss.metrics import LEAKED
from bss.receivables.account import row_of
from bss.receivables.store import receivable
from bss.store import document_series, invoice, leakage, rated_usage
from station.state import insert_new
from station.tmf.hub import publish, subscribed


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice as it is stored, its document, and the draft it came from."""

    row: dict[str, Any]
    document: dict[str, Any]
    found: Draft

    @classmethod
    def of(cls, tenant: int, inputs: Inputs, found: Draft, place: tuple[str, int]) -> Self:
        series, seq = place
        id_ = document.invoice_id(tenant, inputs.period, found.customer["id"])
        made = document.document(inputs, found, number_of(series, seq), id_)
        text = canonical.encode(made)
        row = {
            "tenant": tenant,
            "id": id_,
            "series": series,
            "seq": seq,
            "number": made["number"],
            "period": inputs.period.name,
            "customer_id": found.customer["id"],
            "customer_name": found.customer["name"],
            "currency": found.currency,
            **made["totals"],
            "issued_ns": inputs.cutoff_ns,
            "document": text,
            "sha256": canonical.sha256(text),
        }
        return cls(row, made, found)


async def write(conn: AsyncConnection, tenant: int, inputs: Inputs, made: Sequence[Issued], now_ns: int) -> None:
    """The invoices, their ratings, and for each portion of usage the facts that it was rated and billed."""
    if not made:
        return
    await conn.execute(sa.insert(invoice), [of.row for of in made])
    rows = [row for of in made for row in document.rated_rows(inputs, of.found, tenant, of.row["id"])]
    if rows:
        await conn.execute(sa.insert(rated_usage), rows)
    used = {line.tariff.sha256: line.tariff for of in made for line in of.found.lines if line.tariff}
    await snapshot.mark_used(conn, tenant, used.values())
    facts = [document.usage_facts(inputs, of.found, tenant, of.row["id"]) for of in made]
    await book.append(conn, tenant, usage_rated, "rating", await _fresh(conn, tenant, [row for rated, _ in facts for row in rated]))
    await book.append(conn, tenant, usage_billed, "billing", [row for _, billed in facts for row in billed])
    await ledger.book_entries(conn, tenant, [ledger.entry_of(of.document) for of in made], now_ns)
    await insert_new(conn, receivable, [row_of(tenant, of.document, "invoice") for of in made], ("tenant", "id"))
    if await subscribed(conn, tenant, tmf678.API):
        told = [("CustomerBillCreateEvent", "customerBill", of.row["customer_id"], tmf678.customer_bill(of.row)) for of in made]
        await publish(conn, tenant, tmf678.API, told, now_ns)


async def note_leaks(conn: AsyncConnection, tenant: int, inputs: Inputs, found: Sequence[Draft], now_ns: int) -> None:
    """What is too old to be billed, each once, whether its payer has an invoice in this run or none."""
    rows = [row for one in found for row in document.leaked_rows(inputs, one, tenant, now_ns)]
    await insert_new(conn, leakage, rows, ("tenant", "id"))
    for row in rows:
        LEAKED.labels(row["currency"]).inc()


class Numbers:
    """The numbers of some series, taken in one transaction: what is rolled back uses none up."""

    def __init__(self, tenant: int, last: dict[str, int]) -> None:
        self._tenant, self._last = tenant, last

    @classmethod
    async def locked(cls, conn: AsyncConnection, tenant: int, series: Iterable[str]) -> "Numbers":
        """Nobody else numbers in these series until the transaction ends; always locked in the same order."""
        last = {}
        for name in sorted(set(series)):
            await insert_new(conn, document_series, [{"tenant": tenant, "series": name, "last": 0}], ("tenant", "series"))
            mine = (document_series.c.tenant == tenant, document_series.c.series == name)
            last[name] = (await conn.execute(sa.select(document_series.c.last).where(*mine).with_for_update())).scalar_one()
        return cls(tenant, last)

    def next(self, series: str) -> tuple[str, int]:
        self._last[series] += 1
        return series, self._last[series]

    async def keep(self, conn: AsyncConnection) -> None:
        for series, last in self._last.items():
            mine = (document_series.c.tenant == self._tenant, document_series.c.series == series)
            await conn.execute(sa.update(document_series).where(*mine).values(last=last))


def series_of(inputs: Inputs, found: Draft) -> str:
    """The series that an invoice is numbered in: of its legal entity, its kind and the period's year."""
    terms = inputs.snapshot.data["terms"]
    own = inputs.snapshot.data.get("entities", {}).get(found.customer.get("legal_entity", ""), {})
    series = own.get("series") or terms["series"]
    credit = own.get("credit_series", "") if own else terms.get("credit_series", "")
    if credit and document.kind_of(found) == "credit_note":
        series = credit
    return f"{series}-{periods.date_at(inputs.period.end_ns - 1, inputs.snapshot.zone).year}"


def number_of(series: str, seq: int) -> str:
    return f"{series}-{seq:06d}"


async def _fresh(conn: AsyncConnection, tenant: int, rated: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The facts that are not in the book: a charge rated again was rated by most of its portions before."""
    names, c = ("record_id", "guide_rev", "portion", "rated_id"), usage_rated.c
    held: set[tuple[Any, ...]] = set()
    for start_ns, ids in by_start((row["start_ns"], row["record_id"]) for row in rated if row["state"] != "rated"):
        where = (c.tenant == tenant, c.start_ns == start_ns, c.record_id.in_(ids))
        held |= {tuple(row) for row in await conn.execute(sa.select(*(c[name] for name in names)).where(*where))}
    return [row for row in rated if tuple(row[name] for name in names) not in held]
