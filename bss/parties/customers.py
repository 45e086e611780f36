"""Customers as clients make them by TMF629: a row of the inventory with a document beside it; and what erasing one comes to."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.cash.store import bank_entry, sepa_mandate
from bss.dunning.store import dunning_request
from bss.parties.kinds import customers
from bss.parties.store import erased_customer, party_consent
from bss.receivables import account as accounts
from bss.receivables.store import payment, receivable
from bss.store import billing_profile, invoice
from inventory.store import customer, service
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State
from station.tmf.documents import Json, Kind, merged, tell, write
from station.tmf.store import tmf_document
from station.web import ProblemError, not_found

KIND: Final[Kind] = customers()
NUMBER: Final = "customerNumber"
ROW: Final = ("number", "name", "email", "address", "tax_id", "currency")


async def _nobody() -> None:
    """Nobody keeps a picture of the customers."""


@dataclass(frozen=True, slots=True)
class Customers:
    """Makes, changes and erases customers. `currency` is that of a customer who names none; `changed` looks at them again."""

    state: State
    currency: str
    changed: Callable[[], Awaitable[object]] = _nobody

    async def create(self, scope: Scope, sent: Json, now_ns: int) -> Json:
        """A customer, whole; ProblemError 400 or 409."""
        body, id_ = KIND.checked(sent), new_id(now_ns)
        _complete(body)
        row: dict[str, Any] = {"tenant": scope.tenant, "id": id_, "tax_rate_ppm": 190_000} | _row(body, f"C-{id_[-12:]}", self.currency)
        async with self.state.write() as conn:
            await _free(conn, scope.tenant, row["number"], id_)
            await conn.execute(sa.insert(customer).values(**row))
            kept = {"tenant": scope.tenant, "api": KIND.api, "kind": KIND.name, "id": id_, "customer_id": id_, "created_ns": now_ns}
            await conn.execute(sa.insert(tmf_document).values(**kept, body=json.dumps(body), changed_ns=now_ns))
            await tell(conn, scope, _of_customer(id_), "Create", KIND.shown(id_, body), now_ns)
            await audit.record(conn, scope, "customer.create", f"customer:{id_}", now_ns=now_ns, after={"number": row["number"]})
        await self.changed()
        return KIND.shown(id_, body) | {"status": body.get("status", "active")}

    async def change(self, scope: Scope, id_: str, patch: Json, now_ns: int) -> None:
        """Merge a patch; the inventory's row follows. ProblemError 404."""
        async with self.state.write() as conn:
            row = await _known(conn, scope, id_)
            document = await _document(conn, scope.tenant, id_)
            before = document or _whole(row)
            after = merged(before, KIND.checked(patch))
            _complete(after)
            values = _row(after, row["number"], row["currency"])
            await _free(conn, scope.tenant, values["number"], id_)
            await conn.execute(sa.update(customer).where(customer.c.tenant == scope.tenant, customer.c.id == id_).values(**values))
            if not document:
                kept = {"tenant": scope.tenant, "api": KIND.api, "kind": KIND.name, "id": id_, "customer_id": id_, "created_ns": now_ns}
                await conn.execute(sa.insert(tmf_document).values(**kept, body=json.dumps(before), changed_ns=now_ns))
            await write(conn, scope, _of_customer(id_), id_, before, after, now_ns)
            names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            await audit.record(conn, scope, "customer.change", f"customer:{id_}", now_ns=now_ns, after={"changed": names})
        await self.changed()

    async def erase(self, scope: Scope, id_: str, reason: str, now_ns: int) -> str:
        """Forget a person: `erased` where nothing must be kept, `pseudonymised` where documents or money of theirs must.

        ProblemError 409 while a service runs or anything is open, owed or owing: that is settled, written off or refunded first.
        """
        scope.require(Role.ADMIN, "erasing a customer")
        async with self.state.write() as conn:
            row = await _known(conn, scope, id_)
            held = await accounts.locked(conn, scope.tenant, id_)
            if any(one.open_minor for one in held.items) or any(one.left_minor for one in held.sources):
                raise ProblemError(
                    409, "Not settled", "Invoices or credit are open: settle, write off or refund them first.", reason="open"
                )
            s = service.c
            running = sa.select(s.id).where(
                s.tenant == scope.tenant, s.customer_id == id_, sa.or_(s.active_to_ns == 0, s.active_to_ns > now_ns)
            )
            if (await conn.execute(running.limit(1))).first():
                raise ProblemError(409, "In service", "A service of the customer runs: end it first.", reason="in_service")
            keep = await _must_be_kept(conn, scope.tenant, id_)
            outcome = "pseudonymised" if keep else "erased"
            await _forget(conn, scope.tenant, dict(row), keep=keep)
            done = {"tenant": scope.tenant, "customer_id": id_, "outcome": outcome, "at_ns": now_ns, "erased_by": scope.user[:64]}
            await conn.execute(sa.insert(erased_customer).values(**done))
            await tell(conn, scope, _of_customer(id_), "Delete", KIND.shown(id_, {}), now_ns)
            await audit.record(conn, scope, f"customer.{outcome}", f"customer:{id_}", now_ns=now_ns, reason=reason)
        await self.changed()
        return outcome


def _of_customer(id_: str) -> Kind:
    """A customer's document is its own, whoever is the engaged party."""
    return replace(KIND, customer_of=lambda _: id_)


def _complete(body: Json) -> None:
    if not body.get("name") or not body.get("engagedParty"):
        raise ProblemError(400, "Not complete", "A customer has a name and an engagedParty.")


def _row(body: Json, number: str, currency: str) -> dict[str, Any]:
    """What of a document stands in the inventory."""
    said = {one.get("name"): one.get("value") for one in body.get("characteristic") or () if isinstance(one, dict)}
    media = [one for one in body.get("contactMedium") or () if isinstance(one, dict)]
    mail = next((_of(one).get("emailAddress") for one in media if one.get("mediumType") == "email"), "")
    post = next((_of(one) for one in media if one.get("mediumType") == "postalAddress"), {})
    lines = [
        post.get("street1"),
        post.get("street2"),
        " ".join(filter(None, (post.get("postCode"), post.get("city")))),
        post.get("country"),
    ]
    found = {"number": said.get(NUMBER) or number, "name": body["name"], "email": mail or "", "address": "\n".join(filter(None, lines))}
    found |= {"tax_id": said.get("taxId") or "", "currency": said.get("currency") or currency}
    limits = {"number": 32, "name": 255, "email": 255, "address": 1000, "tax_id": 64, "currency": 3}
    return {name: str(found[name])[: limits[name]] for name in ROW}


def _of(medium: Mapping[str, Any]) -> Mapping[str, Any]:
    found = medium.get("characteristic")
    return found if isinstance(found, dict) else {}


def _whole(row: Mapping[str, Any]) -> Json:
    """The document of a customer that the inventory alone knows."""
    said = [{"name": NUMBER, "valueType": "string", "value": row["number"]}]
    media = [{"mediumType": "email", "characteristic": {"emailAddress": row["email"]}}] if row["email"] else []
    lines = [line.strip() for line in row["address"].splitlines() if line.strip()]
    if lines:
        media.append({"mediumType": "postalAddress", "characteristic": dict(zip(("street1", "street2", "city"), lines, strict=False))})
    return {"name": row["name"], "engagedParty": {"id": row["id"], "name": row["name"]}, "contactMedium": media, "characteristic": said}


async def _known(conn: AsyncConnection, scope: Scope, id_: str) -> Mapping[str, Any]:
    where = (customer.c.tenant == scope.tenant, customer.c.id == id_)
    row = (await conn.execute(sa.select(customer).where(*where))).mappings().first()
    if row is None or (scope.customers and id_ not in scope.customers):
        raise not_found("customer")
    return dict(row)


async def _document(conn: AsyncConnection, tenant: int, id_: str) -> Json | None:
    c = tmf_document.c
    where = (c.tenant == tenant, c.api == KIND.api, c.kind == KIND.name, c.id == id_)
    found = (await conn.execute(sa.select(c.body).where(*where))).scalar()
    return dict(json.loads(found)) if found else None


async def _free(conn: AsyncConnection, tenant: int, number: str, id_: str) -> None:
    where = (customer.c.tenant == tenant, customer.c.number == number, customer.c.id != id_)
    if (await conn.execute(sa.select(customer.c.id).where(*where))).first():
        raise ProblemError(409, "Number taken", f"Another customer has the number {number}.")


async def _must_be_kept(conn: AsyncConnection, tenant: int, id_: str) -> bool:
    """Whether documents, payments or ended services name the customer: these are kept by law, without the person."""
    for table in (invoice, receivable, payment, service):
        where = (table.c.tenant == tenant, table.c.customer_id == id_)
        if (await conn.execute(sa.select(table.c.id).where(*where).limit(1))).first():
            return True
    return False


async def _forget(conn: AsyncConnection, tenant: int, row: Mapping[str, Any], *, keep: bool) -> None:
    """Take the person out of every table that is not an issued document."""
    id_ = row["id"]
    for table in (tmf_document, party_consent, billing_profile):
        await conn.execute(sa.delete(table).where(table.c.tenant == tenant, table.c.customer_id == id_))
    m, e, p, q = sepa_mandate.c, bank_entry.c, payment.c, dunning_request.c
    gone = {"holder": "", "iban": "", "bic": "", "state": "revoked", "reason": "erased"}
    await conn.execute(sa.update(sepa_mandate).where(m.tenant == tenant, m.customer_id == id_).values(**gone))
    await conn.execute(sa.update(bank_entry).where(e.tenant == tenant, e.customer_id == id_).values(name="", iban="", words=""))
    await conn.execute(sa.update(payment).where(p.tenant == tenant, p.customer_id == id_).values(words="", token=""))
    letters = (q.tenant == tenant, q.customer_id == id_, q.act == "notice")
    await conn.execute(sa.update(dunning_request).where(*letters).values(body="{}", answer=""))
    mine = (customer.c.tenant == tenant, customer.c.id == id_)
    if keep:
        blank = {"name": f"Erased customer {row['number']}", "email": "", "address": "", "tax_id": ""}
        await conn.execute(sa.update(customer).where(*mine).values(**blank))
    else:
        await conn.execute(sa.delete(customer).where(*mine))
