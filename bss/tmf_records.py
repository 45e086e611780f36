"""Customers and accounts as TM Forum resources: views of what the station holds.

TMF629 customers and TMF632 organizations are the customers of the inventory, TMF666 billing accounts theirs. What they do
not hold is not shown. What clients add to customers, parties and accounts is `bss.parties`, the catalogue and its products
`bss.tmf_catalogue`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.parties.customers import KIND as CUSTOMER_KIND
from bss.parties.store import erased_customer
from bss.store import invoice
from bss.tmf678 import money_of, related_customer
from inventory.store import customer
from station.scope import Scope
from station.tmf.route import href
from station.tmf.store import tmf_document
from station.web import iso

ROWS_MAX = 100_000  # customers or services of one list
CUSTOMERS, PARTIES, ACCOUNTS = "customerManagement/v4", "party/v4", "accountManagement/v4"

Json = dict[str, Any]


async def customer_rows(conn: AsyncConnection, caller: Scope) -> list[Mapping[str, Any]]:
    where = [customer.c.tenant == caller.tenant] + ([customer.c.id.in_(caller.customers)] if caller.customers else [])
    return list((await conn.execute(sa.select(customer).where(*where).order_by(customer.c.number).limit(ROWS_MAX))).mappings())  # type: ignore[arg-type]


async def customers(conn: AsyncConnection, caller: Scope) -> list[Json]:
    """TMF629: each customer of the inventory with what clients keep of it; an erased one is not shown."""
    c, e = tmf_document.c, erased_customer.c
    said = await conn.execute(
        sa.select(c.id, c.body).where(c.tenant == caller.tenant, c.api == CUSTOMER_KIND.api, c.kind == CUSTOMER_KIND.name)
    )
    bodies = {row.id: json.loads(row.body) for row in said}
    gone = set((await conn.execute(sa.select(e.customer_id).where(e.tenant == caller.tenant))).scalars())
    shown = (_customer(row) for row in await customer_rows(conn, caller) if row["id"] not in gone)
    return [one | bodies.get(one["id"], {}) for one in shown]


async def organizations(conn: AsyncConnection, caller: Scope) -> list[Json]:
    """TMF632: each customer of the inventory as the organization it is."""
    return [_organization(row) for row in await customer_rows(conn, caller)]


def _customer(row: Mapping[str, Any]) -> Json:
    party = {"id": row["id"], "href": href(PARTIES, "organization", row["id"]), "name": row["name"], "@referredType": "Organization"}
    account = {"id": row["id"], "href": href(ACCOUNTS, "billingAccount", row["id"]), "name": row["name"]}
    found = {"@type": "Customer", "id": row["id"], "href": href(CUSTOMERS, "customer", row["id"]), "name": row["name"], "status": "active"}
    characteristic = [{"name": "customerNumber", "valueType": "string", "value": row["number"]}]
    return found | {"engagedParty": party, "account": [account], "contactMedium": _contacts(row), "characteristic": characteristic}


def _organization(row: Mapping[str, Any]) -> Json:
    found = {"@type": "Organization", "id": row["id"], "href": href(PARTIES, "organization", row["id"]), "name": row["name"]}
    tax = [{"identificationType": "taxId", "identificationId": row["tax_id"]}] if row["tax_id"] else []
    return found | {
        "tradingName": row["name"],
        "isLegalEntity": True,
        "status": "validated",
        "organizationIdentification": tax,
        "contactMedium": _contacts(row),
        "externalReference": [{"externalReferenceType": "customerNumber", "name": row["number"]}],
    }


def _contacts(row: Mapping[str, Any]) -> list[Json]:
    """E-mail and post, as far as they are known."""
    found: list[Json] = []
    if row["email"]:
        found.append({"mediumType": "email", "preferred": True, "characteristic": {"contactType": "billing", "emailAddress": row["email"]}})
    lines = [line.strip() for line in row["address"].splitlines() if line.strip()]
    if lines:
        street = {"street1": lines[0]} | ({"city": lines[-1]} if len(lines) > 1 else {}) | ({"street2": lines[1]} if len(lines) > 2 else {})
        found.append({"mediumType": "postalAddress", "characteristic": {"contactType": "billing"} | street})
    return found


async def billing_accounts(conn: AsyncConnection, caller: Scope) -> list[Json]:
    """A billing account for each customer, with the sum of its invoices."""
    rows = await customer_rows(conn, caller)
    c = invoice.c
    query = sa.select(c.customer_id, c.currency, sa.func.sum(c.gross_minor), sa.func.max(c.issued_ns)).where(c.tenant == caller.tenant)
    sums: dict[str, list[Any]] = {}
    for customer_id, *rest in await conn.execute(query.group_by(c.customer_id, c.currency)):
        sums.setdefault(customer_id, []).append(rest)
    return [_account(row, sums.get(row["id"], [])) for row in rows]


def _account(row: Mapping[str, Any], sums: Sequence[Any]) -> Json:
    balances = [
        {"balanceType": "invoiced", "amount": money_of(int(amount), currency), "validFor": {"startDateTime": iso(at_ns)}}
        for currency, amount, at_ns in sums
    ]
    found = {"@type": "BillingAccount", "id": row["id"], "href": href(ACCOUNTS, "billingAccount", row["id"]), "name": row["name"]}
    parts = {"accountType": "billing", "state": "active", "ratingType": "postpaid", "relatedParty": [related_customer(row)]}
    return found | parts | {"accountBalance": balances}
