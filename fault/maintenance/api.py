"""`/api/v1/maintenance`: planned work, its calendar, and what is in force. A caller limited to a part sees and plans only that."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from fault.maintenance.registry import BegunError, Plan, Registry, WindowError
from fault.maintenance.windows import Target, Window
from fault.resources import Resources
from fault.service import FaultService
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found, time_ns

CALENDAR_DAYS_MAX = 400
CALENDAR_SPANS_MAX = 10_000
State = Literal["current", "coming", "over", "all"]


class Ending(BaseModel):
    """Why it ends before its time."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=1_024)] = ""


def router(service: FaultService) -> APIRouter:
    """The endpoints over the plan of one fault service."""
    api = APIRouter(prefix="/api/v1/maintenance", tags=["maintenance"])
    plan: Registry = service.maintenance

    @api.get("")
    async def windows(caller: Caller, state: State = "all", limit: int = 100) -> dict[str, Any]:
        now_ns = service.clock.now_ns()
        shown = [window_json(it, service.resources, now_ns) for it in plan.windows.values() if _sees(caller, it.targets, service.resources)]
        found = [it for it in shown if state in ("all", it["state"])]
        found.sort(key=lambda it: (it["next_begins_at"] or "9", it["id"]))
        return {"items": found[: max(1, min(limit, PAGE_LIMIT))], "next": None, "total": len(found)}

    @api.post("", status_code=201)
    async def add(caller: Caller, body: Plan) -> dict[str, Any]:
        _require(caller, body, service.resources)
        with _refused():
            made = await plan.add(caller, body, service.resources)
        return window_json(made, service.resources, service.clock.now_ns())

    @api.get("/calendar")
    async def calendar(caller: Caller, from_: Annotated[str, Query(alias="from")] = "", to: str = "") -> dict[str, Any]:
        return _calendar(service, caller, from_, to)

    @api.get("/{key}")
    async def one(caller: Caller, key: str) -> dict[str, Any]:
        return window_json(_seen(caller, plan, key, service.resources), service.resources, service.clock.now_ns())

    @api.put("/{key}")
    async def change(caller: Caller, key: str, body: Plan) -> dict[str, Any]:
        _require(caller, body, service.resources)
        _seen(caller, plan, key, service.resources)
        with _refused():
            changed = await plan.change(caller, key, body, service.resources)
        if changed is None:
            raise not_found("maintenance window")
        return window_json(changed, service.resources, service.clock.now_ns())

    @api.post("/{key}/end")
    async def end(caller: Caller, key: str, body: Ending) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "end planned work")
        _seen(caller, plan, key, service.resources)
        ended = await plan.end(caller, key, body.reason)
        if ended is None:
            raise not_found("maintenance window")
        return window_json(ended, service.resources, service.clock.now_ns())

    return api


def window_json(it: Window, resources: Resources, now_ns: int) -> dict[str, Any]:
    """One window with where it stands now. Times of `next_*` are those in force, else the next ones."""
    span, changes_ns = it.now_and_next(now_ns)
    is_over = it.is_over(now_ns)
    coming = None if is_over else span or next(it.spans(changes_ns, changes_ns + 1), None)
    return {
        "id": it.id,
        "state": "over" if is_over else "current" if span else "coming",
        "reason": it.reason,
        "owner": it.owner,
        "targets": [{"kind": t.kind, "id": t.id, "name": target_name(t, resources)} for t in it.targets],
        "starts": it.starts.isoformat(),
        "zone": it.zone,
        "duration_s": it.duration_s,
        "rule": it.rule,
        "counts_for_sla": it.counts_for_sla,
        "next_begins_at": iso(coming.begins_ns) if coming else None,
        "next_ends_at": iso(coming.ends_ns) if coming else None,
        "created_at": iso(it.created_ns),
        "created_by": it.created_by,
        "ended_at": iso(it.ended_ns),
    }


def target_name(target: Target, resources: Resources) -> str:
    customer = resources.topology.customers.get(target.id)
    return customer.name if customer and target.kind == "customer" else resources.topology.name_of(target.id)


def _calendar(service: FaultService, caller: Scope, from_: str, to: str) -> dict[str, Any]:
    """Each time of each window between two instants, by default the next four weeks."""
    from_ns = time_ns(from_) if from_ else service.clock.now_ns()
    to_ns = time_ns(to) if to else from_ns + 28 * 86_400 * NS_PER_S
    if not from_ns < to_ns <= from_ns + CALENDAR_DAYS_MAX * 86_400 * NS_PER_S:
        raise ProblemError(422, "Not a span", f"`to` lies after `from`, at most {CALENDAR_DAYS_MAX} days.")
    seen = {it.id for it in service.maintenance.windows.values() if _sees(caller, it.targets, service.resources)}
    spans = [(window, span) for window, span in service.maintenance.spans(from_ns, to_ns) if window.id in seen]
    items = [
        {
            "window_id": window.id,
            "begins_at": iso(span.begins_ns),
            "ends_at": iso(span.ends_ns),
            "reason": window.reason,
            "owner": window.owner,
            "counts_for_sla": window.counts_for_sla,
            "targets": [target_name(target, service.resources) for target in window.targets],
        }
        for window, span in spans[:CALENDAR_SPANS_MAX]
    ]
    return {"from": iso(from_ns), "to": iso(to_ns), "items": items, "total": len(spans)}


def _require(caller: Scope, body: Plan, resources: Resources) -> None:
    caller.require(Role.ENGINEER, "plan work")
    if not _sees(caller, [Target(each.kind, each.id) for each in body.targets], resources):
        raise not_found("target")


def _seen(caller: Scope, plan: Registry, key: str, resources: Resources) -> Window:
    found = plan.windows.get(key)
    if found is None or not _sees(caller, found.targets, resources):
        raise not_found("maintenance window")
    return found


def _sees(caller: Scope, targets: Sequence[Target], resources: Resources) -> bool:
    """Whether all targets lie in what the caller may see."""
    if not caller.regions and not caller.customers:
        return True
    return all(_is_in(caller, target, resources) for target in targets)


def _is_in(caller: Scope, target: Target, resources: Resources) -> bool:
    topology = resources.topology
    if target.kind in ("service", "customer"):
        service = topology.services.get(target.id)
        return bool(caller.customers) and (service.customer_id if service else target.id) in caller.customers
    ids = resources.parts(target.id)
    in_regions = all(resources.place(each).region in caller.regions for each in ids if target.kind != "link" or each != target.id)
    return (not caller.regions or in_regions) and (not caller.customers or target.id in resources.of_customers(caller.customers))


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except WindowError as error:
        raise ProblemError(409 if isinstance(error, BegunError) else 422, "Not planned", str(error), field=error.field) from error
