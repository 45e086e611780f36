"""TMF654 Prepay Balance v4 over the charging balances: buckets, and top-ups, reservations, adjustments and transfers as acts.

An act is kept as a document before it is done, and done under the document's own id: whatever a crash leaves requested is done
by `Acts.resume`, once. An amount is a whole number of the bucket's unit (`amount.units`): octets, seconds, or minor units of a
currency.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.balance import AMOUNT_MAX, Balances, Outcome
from bss.store import balance_bucket
from station.clock import NS_PER_S, Clock
from station.ids import derived_id, new_id
from station.scope import Role, Scope
from station.security import audit
from station.security.targets import Guard
from station.state import State
from station.tmf.documents import Json, Kind, Sent, add_reads, document, documents, keep, tell, write
from station.tmf.hub import add_hub
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, href
from station.web import Caller, ProblemError, iso, not_found, time_ns

BASE, API = "prepayBalanceManagement/v4", "prepayBalanceManagement"
HOLD_S: Final = 3_600  # a reservation without an expirationDate
ACT: Final[Mapping[str, type]] = {
    "confirmationDate": str, "description": str, "reason": str, "requestedDate": str, "status": str, "usageType": str, "amount": dict,
    "bucket": dict, "channel": dict, "impactedBucket": list, "logicalResource": dict, "partyAccount": dict, "product": dict,
    "relatedParty": list, "requestor": dict,
}  # fmt: skip
TOP_UP: Final[Mapping[str, type]] = {
    **ACT, "isAutoTopup": bool, "numberOfPeriods": int, "recurringPeriod": str, "voucher": str, "payment": dict, "paymentMethod": dict,
    "relatedTopupBalance": dict,
}  # fmt: skip
TRANSFER: Final[Mapping[str, type]] = {
    **ACT, "costOwner": str, "receiverBucketUsageType": str, "receiver": dict, "receiverBucket": dict, "receiverLogicalResource": dict,
    "receiverPartyAccount": dict, "receiverProduct": dict, "transferCost": dict,
}  # fmt: skip
BUCKET: Final[Mapping[str, type]] = {
    "description": str, "isShared": bool, "name": str, "remainingValueName": str, "status": str, "usageType": str, "logicalResource": list,
    "partyAccount": dict, "product": list, "relatedParty": list, "remainingValue": dict, "reserveBalance": list, "reservedValue": dict,
    "validFor": dict,
}  # fmt: skip
REQUESTED, COMPLETED, FAILED, CANCELLED = "requested", "completed", "failed", "cancelled"


def _owner(body: Json) -> str:
    """Whose balance: the party account's, else the first related party's."""
    parties = [one for one in body.get("relatedParty") or () if isinstance(one, dict)]
    return str((body.get("partyAccount") or {}).get("id") or (parties[0].get("id") if parties else "") or "")


def _receiver(body: Json) -> str:
    """Whose balance a transfer goes to."""
    return str((body.get("receiverPartyAccount") or {}).get("id") or (body.get("receiver") or {}).get("id") or "")


def _kind(name: str, attributes: Mapping[str, type]) -> Kind:
    states = {"status": "StatusChange"}
    return Kind(API, BASE, name, attributes, ("amount",), customer_of=_owner, states=states, reads=Role.BILLING, writes=Role.BILLING)


TOP_UPS = _kind("topupBalance", TOP_UP)
RESERVATIONS = _kind("reserveBalance", {**ACT, "expirationDate": str})
ADJUSTMENTS = _kind("adjustBalance", {**ACT, "adjustType": str, "reserveBalance": dict})
TRANSFERS = _kind("transferBalance", TRANSFER)
BUCKETS: Final = Kind(API, BASE, "bucket", BUCKET, ("usageType",), reads=Role.BILLING, writes=Role.BILLING)
ACTS: Final = (TOP_UPS, RESERVATIONS, ADJUSTMENTS, TRANSFERS)


class Acts:
    """Does what documents ask for, each once."""

    def __init__(self, state: State, balances: Balances, clock: Clock) -> None:
        self._state, self._balances, self._clock = state, balances, clock

    async def ask(self, scope: Scope, kind: Kind, body: Json) -> Json:
        """Keep the act and do it; the document with what became of it. ProblemError says what is wrong with it."""
        now_ns = self._clock.now_ns()
        amount, unit = quantity(body, negative=kind is ADJUSTMENTS)
        owner = _owner(body)
        if not owner or not amount:
            raise ProblemError(400, "Not complete", "An act names its owner (partyAccount or relatedParty) and an amount that is not 0.")
        if kind is TRANSFERS and _receiver(body) in ("", owner):
            raise ProblemError(400, "Not complete", "A transfer names another as its receiver (receiverPartyAccount or receiver).")
        settled = body | {"amount": {"amount": amount, "units": unit}, "status": REQUESTED, "requestedDate": iso(now_ns)}
        made = await keep(self._state, scope, kind, settled, now_ns)
        return await self.do(scope, kind, made)

    async def do(self, scope: Scope, kind: Kind, act: Json) -> Json:
        """Do a requested act under its id; whatever was done before is not done again."""
        amount, unit = quantity(act, negative=True)
        owner, key, now_ns = _owner(act), f"{kind.name}:{act['id']}", self._clock.now_ns()
        outcome = Outcome.DONE
        if kind is RESERVATIONS:
            until_ns = time_ns(act["expirationDate"]) if act.get("expirationDate") else now_ns + HOLD_S * NS_PER_S
            hold_s = max(1, min(86_400, (until_ns - now_ns) // NS_PER_S))
            outcome, _ = await self._balances.reserve(scope, owner, unit, amount, key, now_ns, hold_s)
        elif kind is TRANSFERS:
            outcome = await self._transfer(scope, owner, _receiver(act), (amount, unit, key), now_ns)
        elif amount > 0:
            await self._balances.top_up(scope, owner, unit, amount, key, now_ns)
        else:
            outcome, _ = await self._balances.debit(scope, owner, unit, -amount, key, now_ns)
        return await self._note(scope, kind, act, COMPLETED if outcome is Outcome.DONE else FAILED)

    async def _transfer(self, scope: Scope, owner: str, receiver: str, what: tuple[int, str, str], now_ns: int) -> Outcome:
        """From one owner to another, each step once; what is given expires when what it was taken from would have."""
        amount, unit, key = what
        outcome, _ = await self._balances.debit(scope, owner, unit, amount, key, now_ns)
        if outcome is Outcome.DONE:
            expires_ns = await self._balances.expiry(scope, owner, key)
            await self._balances.top_up(scope, receiver, unit, amount, key, now_ns, expires_ns)
        return outcome

    async def cancel(self, scope: Scope, kind: Kind, act: Json) -> Json:
        """Free what a reservation keeps; ProblemError 409 for anything that is done and stays done."""
        if kind is not RESERVATIONS or act["status"] != COMPLETED:
            raise ProblemError(409, "Done already", "Only a reservation that stands is cancelled; anything else is adjusted.")
        hold = derived_id("hold", scope.tenant, _owner(act), f"{kind.name}:{act['id']}")[:36]
        outcome = await self._balances.release(scope, hold, self._clock.now_ns())
        if outcome is not Outcome.DONE:
            raise ProblemError(409, "Closed", "The reservation was used or is over.")
        return await self._note(scope, kind, act, CANCELLED)

    async def resume(self, scope: Scope) -> None:
        """Do what a station that died left requested."""
        async with self._state.read() as conn:
            left = [(kind, one) for kind in ACTS for one in await documents(conn, scope, kind) if one["status"] == REQUESTED]
        for kind, one in left:
            await self.do(scope, kind, one)

    async def _note(self, scope: Scope, kind: Kind, act: Json, status: str) -> Json:
        now_ns = self._clock.now_ns()
        before = {name: value for name, value in act.items() if name not in ("id", "href", "@type")}
        after = before | {"status": status, "confirmationDate": iso(now_ns)}
        async with self._state.write() as conn:
            await write(conn, scope, kind, act["id"], before, after, now_ns)
            await audit.record(conn, scope, f"{kind.name}.{status}", f"{kind.name}:{act['id']}", now_ns=now_ns, after=after)
        return kind.shown(act["id"], after)


def quantity(body: Mapping[str, Any], *, negative: bool) -> tuple[int, str]:
    """(amount, unit) of an act; ProblemError 400 unless the amount is a whole number of a named unit."""
    said = body.get("amount") or {}
    amount, unit = said.get("amount"), said.get("units")
    if not isinstance(amount, int | float) or isinstance(amount, bool) or amount != amount // 1 or not isinstance(unit, str) or not unit:
        raise ProblemError(400, "Not a quantity", "amount holds a whole number as `amount` and the bucket's unit as `units`.")
    if abs(int(amount)) > AMOUNT_MAX or (amount < 0 and not negative) or len(unit) > 32:
        raise ProblemError(400, "Not a quantity", "The amount is out of range; only an adjustment may be negative.")
    return int(amount), unit


def router(state: State, balances: Balances, guard: Guard, clock: Clock) -> APIRouter:
    """The routes under /tmf-api/prepayBalanceManagement/v4."""
    routes, acts = api_router(BASE), Acts(state, balances, clock)
    add_hub(routes, state, guard, clock, API, Role.BILLING)
    for kind in ACTS:
        add_reads(routes, state, kind)
        _add_acts(routes, state, acts, kind)
    _add_buckets(routes, state, clock)
    _add_bucket_creation(routes, state, balances, clock)
    return routes


def _add_bucket_creation(routes: APIRouter, state: State, balances: Balances, clock: Clock) -> None:
    @routes.post("/bucket", status_code=201)
    async def create(caller: Caller, sent: Sent, response: Response) -> Json:
        """A bucket of its own with `remainingValue` in it, in the unit `usageType`, until `validFor` ends."""
        caller.require(Role.BILLING, "making a bucket")
        body, now_ns = BUCKETS.checked(sent), clock.now_ns()
        unit = body.get("usageType") or ""
        amount, units = quantity({"amount": body.get("remainingValue") or {}}, negative=False)
        owner = str((body.get("partyAccount") or {}).get("id") or "")
        if not owner or not amount or units != unit:
            raise ProblemError(400, "Not complete", "A bucket names its partyAccount, and a remainingValue in its usageType that is not 0.")
        if caller.customers and owner not in caller.customers:
            raise ProblemError(403, "Not allowed", "That is about a customer outside what you may see.")
        ends = (body.get("validFor") or {}).get("endDateTime")
        id_ = await balances.top_up(caller, owner, unit, amount, f"bucket:{new_id(now_ns)}", now_ns, time_ns(ends) if ends else 0)
        async with state.write() as conn:
            made = (await _buckets(conn, caller, now_ns, id_))[0]
            await tell(conn, caller, BUCKETS, "Create", made, now_ns)
            await audit.record(conn, caller, "bucket.create", f"bucket:{id_}", now_ns=now_ns, after=made)
        response.headers["Location"] = made["href"]
        return made


def _add_acts(routes: APIRouter, state: State, acts: Acts, kind: Kind) -> None:
    @routes.post(f"/{kind.name}", status_code=201)
    async def ask(caller: Caller, sent: Sent, response: Response) -> Json:
        caller.require(Role.BILLING, f"a {kind.name}")
        made = await acts.ask(caller, kind, kind.checked(sent))
        response.headers["Location"] = made["href"]
        return made

    @routes.patch(f"/{kind.name}/{{id}}")
    async def change(caller: Caller, id_: Id, sent: Sent) -> Json:
        caller.require(Role.BILLING, f"a {kind.name}")
        if sent.get("status") != CANCELLED:
            raise ProblemError(409, "Not changeable", f"An act is changed by the status {CANCELLED!r} alone.")
        return await acts.cancel(caller, kind, await _act(state, caller, kind, id_))

    @routes.delete(f"/{kind.name}/{{id}}", status_code=204)
    async def remove(caller: Caller, id_: Id) -> None:
        caller.require(Role.BILLING, f"a {kind.name}")
        await acts.cancel(caller, kind, await _act(state, caller, kind, id_))


async def _act(state: State, scope: Scope, kind: Kind, id_: str) -> Json:
    async with state.read() as conn:
        return await document(conn, scope, kind, id_)


def _add_buckets(routes: APIRouter, state: State, clock: Clock) -> None:
    @routes.get("/bucket")
    async def buckets(request: Request, caller: Caller) -> JSONResponse:
        caller.require(Role.BILLING, "reading balances")
        async with state.read() as conn:
            return page(Query.of(request), await _buckets(conn, caller, clock.now_ns()))

    @routes.get("/bucket/{id}")
    async def bucket(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        caller.require(Role.BILLING, "reading balances")
        async with state.read() as conn:
            found = await _buckets(conn, caller, clock.now_ns(), id_)
        if not found:
            raise not_found("bucket")
        return JSONResponse(Query.of(request).shown(found[0]))

    @routes.get("/accumulatedBalance")
    async def accumulated(request: Request, caller: Caller) -> JSONResponse:
        caller.require(Role.BILLING, "reading balances")
        async with state.read() as conn:
            return page(Query.of(request), _accumulated(await _buckets(conn, caller, clock.now_ns())))

    @routes.get("/accumulatedBalance/{id}")
    async def one(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        caller.require(Role.BILLING, "reading balances")
        async with state.read() as conn:
            found = [each for each in _accumulated(await _buckets(conn, caller, clock.now_ns())) if each["id"] == id_]
        if not found:
            raise not_found("balance")
        return JSONResponse(Query.of(request).shown(found[0]))


async def _buckets(conn: AsyncConnection, scope: Scope, now_ns: int, id_: str = "") -> list[Json]:
    b = balance_bucket.c
    where = [b.tenant == scope.tenant, *([b.id == id_] if id_ else []), *([b.owner.in_(scope.customers)] if scope.customers else [])]
    rows = await conn.execute(sa.select(balance_bucket).where(*where).order_by(b.created_ns, b.id).limit(10_000))
    return [_bucket(dict(row), now_ns) for row in rows.mappings()]


def _bucket(row: Mapping[str, Any], now_ns: int) -> Json:
    expired = bool(row["expires_ns"]) and row["expires_ns"] <= now_ns
    period = {"startDateTime": iso(row["created_ns"])} | ({"endDateTime": iso(row["expires_ns"])} if row["expires_ns"] else {})
    account = {"id": row["owner"], "href": href("accountManagement/v4", "billingAccount", row["owner"]), "name": row["owner"]}
    return {
        "@type": "Bucket",
        "id": row["id"],
        "href": href(BASE, "bucket", row["id"]),
        "name": row["unit"],
        "usageType": row["unit"],
        "status": "expired" if expired else "active",
        "isShared": False,
        "remainingValue": {"amount": row["amount"] - row["held"], "units": row["unit"]},
        "reservedValue": {"amount": row["held"], "units": row["unit"]},
        "validFor": period,
        "partyAccount": account,
    }


def _accumulated(buckets: Sequence[Json]) -> list[Json]:
    """One balance an owner and unit, over the buckets that live."""
    sums: dict[tuple[str, str], list[Json]] = {}
    for one in buckets:
        if one["status"] == "active":
            sums.setdefault((one["partyAccount"]["id"], one["usageType"]), []).append(one)
    found = []
    for (owner, unit), own in sums.items():
        id_ = f"{owner}.{unit}"
        total = {"amount": sum(one["remainingValue"]["amount"] for one in own), "units": unit}
        refs = [{"id": one["id"], "href": one["href"], "@referredType": "Bucket"} for one in own]
        said = {"@type": "AccumulatedBalance", "id": id_, "href": href(BASE, "accumulatedBalance", id_), "name": unit}
        found.append(said | {"totalBalance": total, "bucket": refs, "partyAccount": own[0]["partyAccount"]})
    return found
