"""Vouchers: codes that are worth money once. Only a hash is kept; selling one is a liability until it is used."""

import secrets
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from bss import ledger
from bss.cash.store import voucher
from bss.ledger import Account as Book
from bss.ledger import Entry, Transfer
from bss.metrics import CASH
from bss.receivables.account import AccountError
from bss.receivables.payments import Payments, Told, known
from station.ids import derived_id
from station.scope import Role, Scope
from station.security import audit

LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that is read for something else
LENGTH: Final = 16  # 80 bits: nobody guesses one
SERIES_MAX: Final = 10_000  # codes of one series


@dataclass(frozen=True, slots=True)
class Vouchers:
    payments: Payments

    async def make(self, scope: Scope, series: str, n: int, currency: str, amount_minor: int, expires_ns: int, now_ns: int) -> list[str]:
        """Sell a series: its codes, told this once. AccountError where the series was sold before."""
        scope.require(Role.BILLING, "making vouchers")
        codes = ["".join(secrets.choice(LETTERS) for _ in range(LENGTH)) for _ in range(n)]
        row = {"tenant": scope.tenant, "series": series, "currency": currency, "amount_minor": amount_minor, "expires_ns": expires_ns}
        rows = [row | {"id": _id(code), "made_ns": now_ns, "made_by": scope.user[:64], "used_by": "", "used_ns": 0} for code in codes]
        v = voucher.c
        async with self.payments.state.write() as conn:
            if (await conn.execute(sa.select(v.id).where(v.tenant == scope.tenant, v.series == series).limit(1))).first():
                raise AccountError("conflict", f"The series {series} was made before.")
            await conn.execute(sa.insert(voucher), rows)
            transfers = [Transfer(Book.CASH, Book.PREPAID, n * amount_minor)]
            entry = Entry("vouchers", series, self.payments.day(now_ns), currency, f"{n} vouchers {series}", "", transfers)
            await ledger.book_entries(conn, scope.tenant, [entry], now_ns)
            await audit.record(conn, scope, "voucher.make", f"series:{series}", now_ns=now_ns, after=row | {"n": n})
        CASH.labels("vouchers_made").inc(n)
        return codes

    async def redeem(self, scope: Scope, code: str, customer_id: str, now_ns: int) -> str:
        """Pay with a code; the payment's id. The same customer again changes nothing; AccountError for anybody else, or too late."""
        scope.require(Role.BILLING, "redeeming a voucher")
        v, id_ = voucher.c, _id(code)
        mine = (v.tenant == scope.tenant, v.id == id_)
        async with self.payments.state.write() as conn:
            await known(conn, scope, customer_id)
            row = (await conn.execute(sa.select(voucher).where(*mine).with_for_update())).first()
            if row is None:
                CASH.labels("voucher_unknown").inc()
                raise AccountError("unknown", "There is no such voucher.")
            if row.used_by not in ("", customer_id):
                raise AccountError("used", "The voucher was used.")
            if not row.used_by and row.expires_ns <= now_ns:
                raise AccountError("expired", "The voucher has expired.")
            await conn.execute(sa.update(voucher).where(*mine, v.used_by == "").values(used_by=customer_id, used_ns=now_ns))
        day = self.payments.day(row.used_ns or now_ns)
        told = Told(f"voucher:{id_[:48]}", customer_id, row.currency, row.amount_minor, "voucher", day)
        return (await self.payments.record(scope, told, now_ns)).id


def _id(code: str) -> str:
    """What is kept of a code, however it is written."""
    return derived_id("voucher", "".join(char for char in code.upper() if char in LETTERS))
