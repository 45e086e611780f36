"""The alarm list and its actions over HTTP, as a console sees them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.base import RequestResponseEndpoint

from fault.api import router
from fault.service import FaultService
from station.clock import VirtualClock
from station.scope import Role, Scope
from station.web import ProblemError
from tests.fault.network import at, down, event, service_on, store_at


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[FaultService]:
    state = await store_at(tmp_path)
    yield await service_on(state, VirtualClock(at(0)))
    await state.close()


def browser(service: FaultService, scope: Scope | None = None) -> httpx.AsyncClient:
    return signed_in(service, scope or Scope(1, Role.OPERATOR, "ito"))


def signed_in(service: FaultService, scope: Scope, *others: APIRouter) -> httpx.AsyncClient:
    """A browser of `scope` at the alarm API and other routers."""
    app = FastAPI()
    for each in (router(service), *others):
        app.include_router(each)

    @app.middleware("http")
    async def sign_in(request: Request, call: RequestResponseEndpoint) -> Response:
        request.state.scope = scope
        return await call(request)

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> JSONResponse:
        return error.response()

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://station")


async def test_the_list_sorts_pages_and_counts(service: FaultService) -> None:
    await service.handle([down("if-r1-1"), event("if-r2-1", "critical"), event("if-r3-1", "minor")])
    async with browser(service) as http:
        first = (await http.get("/api/v1/alarms", params={"limit": 2})).json()
        rest = (await http.get("/api/v1/alarms", params={"limit": 2, "cursor": first["next"]})).json()
        filtered = (await http.get("/api/v1/alarms", params={"q": "severity>=major site:Berl* -acked"})).json()
    assert [it["perceived_severity"] for it in first["items"] + rest["items"]] == ["critical", "major", "minor"]
    assert (first["total"], rest["next"], first["counts"]["critical"]) == (3, None, 1)
    assert [it["device"] for it in filtered["items"]] == ["r2"]


async def test_an_action_tells_what_matched_and_what_failed(service: FaultService) -> None:
    await service.handle([down("if-r1-1"), down("if-r2-1")])
    ids = list(service.book.alarms)
    async with browser(service) as http:
        done = (await http.post("/api/v1/alarms/actions", json={"action": "acknowledge", "ids": [*ids, "none"]})).json()
        said = (await http.post("/api/v1/alarms/actions", json={"action": "comment", "filter": "device:r1", "text": "looking"})).json()
        detail = (await http.get(f"/api/v1/alarms/{ids[0]}")).json()
        summary = (await http.get("/api/v1/alarms/summary")).json()
        incidents = (await http.get("/api/v1/incidents")).json()
    assert done == {"matched": 3, "succeeded": 2, "failed": [{"id": "none", "reason": "there is no such alarm"}], "ids": ids}
    assert len(said["ids"]) == 1
    assert (said["matched"], detail["ack_user"], [c["text"] for c in detail["comments"]]) == (1, "ito", ["looking"])
    assert (summary["counts"]["major"], len(summary["rate_10min"]), incidents["total"]) == (2, 24, 2)


async def test_a_viewer_reads_and_a_region_sees_its_own(service: FaultService) -> None:
    await service.handle([down("if-r1-1"), down("if-r2-1")])
    async with browser(service, Scope(1, Role.OPERATOR, "ito", regions=("east",))) as http:
        assert [it["device"] for it in (await http.get("/api/v1/alarms")).json()["items"]] == ["r2"]
        done = (await http.post("/api/v1/alarms/actions", json={"action": "clear", "ids": list(service.book.alarms)})).json()
    assert (done["succeeded"], len(done["failed"])) == (1, 1)


@pytest.mark.parametrize("query", [{"q": "sit:Berlin"}, {"q": '"'}, {"cursor": "x"}, {"sort": "id;drop"}, {"severity": "bad"}])
async def test_what_cannot_be_understood_is_said(service: FaultService, query: dict[str, str]) -> None:
    async with browser(service) as http:
        assert (await http.get("/api/v1/alarms", params=query)).status_code == 422
