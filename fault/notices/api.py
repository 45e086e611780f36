"""`/api/v1/notices`: drafts for customers and the public, as a person changes, sends or drops them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from fault.notices import store
from fault.notices.desk import Desk, NoticeError, seen
from fault.queries import visible
from fault.store import alarm
from station.web import Caller, ProblemError, iso, not_found

State = Literal["draft", "sent", "dropped"]
Line = Annotated[str, Field(max_length=255, pattern=r"^[^\r\n\x00]+$")]


class Letter(BaseModel):
    """What a draft is to say, and to whom (addresses by comma; nobody for the status page)."""

    model_config = ConfigDict(extra="forbid")

    recipient: str = Field("", max_length=1024)
    subject: Line
    text: str = Field(min_length=1, max_length=8_000)


class Sending(BaseModel):
    model_config = ConfigDict(extra="forbid")

    webhook: str = Field("", max_length=64)


def router(desk: Desk) -> APIRouter:
    """The endpoints over one desk."""
    api = APIRouter(prefix="/api/v1", tags=["fault"])

    @api.post("/incidents/{key}/notices", status_code=201)
    async def draft(caller: Caller, key: str) -> dict[str, Any]:
        """Draft what is to be said now: the beginning, how it goes on, or its end."""
        return _page(_found(await desk.draft(caller, key), "incident"))

    @api.get("/notices")
    async def listed(caller: Caller, incident: str = "", state: State | Literal[""] = "", limit: int = 100) -> dict[str, Any]:
        n = store.notice.c
        where = [*seen(caller), *([n.incident_id == incident] if incident else []), *([n.state == state] if state else [])]
        if caller.regions:
            where.append(n.incident_id.in_(_incidents_of(desk, caller)))
        async with desk.state.read() as conn:
            return _page(await store.listed(conn, caller.tenant, *where, limit=max(1, min(limit, store.NOTICES_MAX))))

    @api.put("/notices/{key}")
    async def change(caller: Caller, key: str, body: Letter) -> dict[str, Any]:
        with _refused():
            return _shown(_found(await desk.change(caller, key, body.recipient, body.subject, body.text), "notice"))

    @api.post("/notices/{key}/send")
    async def send(caller: Caller, key: str, body: Sending) -> dict[str, Any]:
        with _refused():
            return _shown(_found(await desk.send(caller, key, body.webhook), "notice"))

    @api.post("/notices/{key}/drop")
    async def drop(caller: Caller, key: str) -> dict[str, Any]:
        with _refused():
            return _shown(_found(await desk.drop(caller, key), "notice"))

    return api


def _incidents_of(desk: Desk, caller: Caller) -> Any:
    return sa.select(alarm.c.incident_id).where(*visible(caller, desk.service.resources))


def _found(found: Any, what: str) -> Any:
    if found is None:
        raise not_found(what)
    return found


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except NoticeError as error:
        raise ProblemError(409 if error.field == "state" else 422, "Not done", str(error), field=error.field) from error


def _page(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": [_shown(row) for row in rows], "next": None, "total": len(rows)}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: row[name] for name in ("id", "incident_id", "kind", "state", "recipient", "subject", "text", "created_by")}
    times = {"created_at": iso(row["created_ns"]), "done_at": iso(row["done_ns"]), "done_by": row["done_by"] or None}
    whom = {"customer_id": row["customer_id"] or None, "customer": row["customer"] or None, "public": not row["customer_id"]}
    return named | whom | times | {"delivery": row.get("delivery"), "error": row.get("error") or None}
