"""Months of the ledger and its sub-ledgers over HTTP, for the role billing."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from bss import closing, ledger, money
from bss.closing import Closing, ClosingError
from bss.ledger import Account
from station.clock import Clock
from station.scope import Role
from station.web import Caller, ProblemError, not_found, whole_view

Month = Annotated[str, Path(pattern=r"^\d{4}-\d{2}$")]


def router(of: Closing, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/ledger", tags=["billing"])

    @routes.get("/months")
    async def months(caller: Caller) -> dict[str, Any]:
        """Closed months, newest first, each with every account at its end and the hash of its Beancount text."""
        caller.require(Role.BILLING, "reading the ledger")
        whole_view(caller, "the ledger")
        async with of.state.read() as conn:
            return {"items": closing.shown(await closing.closed_months(conn, caller))}

    @routes.post("/months/{month}/close")
    async def close(caller: Caller, month: Month) -> dict[str, Any]:
        """Nothing is booked into the month from now on; again it is the same answer."""
        caller.require(Role.BILLING, "closing a month")
        whole_view(caller, "the ledger")
        try:
            return closing.shown([await of.close(caller, month, clock.now_ns())])[0]
        except ClosingError as error:
            raise ProblemError(409, "Not possible", str(error)) from error

    @routes.get("/accounts/{account}")
    async def sub_ledger(caller: Caller, account: str) -> dict[str, Any]:
        """One account by customer, such as `Assets:Receivable`: together they are its balance."""
        caller.require(Role.BILLING, "reading the ledger")
        whole_view(caller, "the ledger")
        if account not in {one.value for one in Account}:
            raise not_found("account")
        async with of.state.read() as conn:
            found = await ledger.sub_ledger(conn, caller, Account(account))
        items = [
            {"customer_id": party, "currency": currency, "amount_minor": minor, "amount": money.text(minor, currency)}
            for (party, currency), minor in found.items()
        ]
        return {"account": account, "items": items}

    return routes
