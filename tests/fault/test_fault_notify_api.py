"""Webhooks and deliveries over HTTP, as the console's screen uses them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.base import RequestResponseEndpoint

from fault.notify.api import router
from fault.notify.outbox import Notifier
from fault.notify.registry import Registration
from fault.notify.settings import NotifySettings
from station.clock import VirtualClock
from station.scope import ForbiddenError, Role, Scope
from station.security import audit
from station.web import ProblemError
from tests.fault.network import at, down, service_on, store_at
from tests.fault.notifying import ENGINEER, messages, notifier_on, running, until_quiet
from tests.fault.receiver import Receiver, receiving

VIEWER = Scope(1, Role.VIEWER, "vera")


@pytest.fixture
async def notifier(tmp_path: Path) -> AsyncIterator[Notifier]:
    state = await store_at(tmp_path)
    yield notifier_on(state, simulated=True)
    await state.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as it:
        yield it


def browser(notifier: Notifier, scope: Scope = ENGINEER) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(router(notifier))

    @app.middleware("http")
    async def sign_in(request: Request, call: RequestResponseEndpoint) -> Response:
        request.state.scope = scope
        return await call(request)

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> JSONResponse:
        return error.response()

    @app.exception_handler(ForbiddenError)
    async def forbidden(_request: Request, error: ForbiddenError) -> JSONResponse:
        return JSONResponse({"needs": error.needs}, 403)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://station/api/v1")


async def test_a_webhook_is_made_listed_paused_and_removed(notifier: Notifier, receiver: Receiver) -> None:
    async with browser(notifier) as http:
        made = await http.post("/webhooks", json={"name": "tickets", "url": receiver.url, "format": "cloudevents", "severity": "major"})
        listed = (await http.get("/webhooks")).json()
        paused = (await http.patch(f"/webhooks/{made.json()['id']}", json={"enabled": False})).json()
        gone = await http.delete(f"/webhooks/{made.json()['id']}")
        again = await http.delete(f"/webhooks/{made.json()['id']}")
        after = (await http.get("/webhooks")).json()
    (shown,) = listed["items"]
    assert (made.status_code, gone.status_code, again.status_code) == (201, 204, 404)
    assert len(made.json()["secret"]) >= 32 and "secret" not in shown
    assert {**shown, "secret": made.json()["secret"]} == made.json()
    assert {key: shown[key] for key in ("name", "url", "format", "enabled", "severity")} == {
        "name": "tickets",
        "url": receiver.url,
        "format": "cloudevents",
        "enabled": True,
        "severity": "major",
    }
    assert (paused["enabled"], after) == (False, {"items": [], "next": None, "total": 0})
    rows = await audit.rows(notifier.state, ENGINEER)
    assert [row["act"] for row in rows if row["act"].startswith("webhook")] == ["webhook.remove", "webhook.pause", "webhook.add"]


async def test_what_is_secret_never_comes_out_nor_into_the_store(notifier: Notifier, receiver: Receiver, tmp_path: Path) -> None:
    secrets = {"secret": "s3cr3t-s3cr3t", "routing_key": "r0ut1ng", "headers": {"Authorization": "Bearer t0k3n"}}
    async with browser(notifier) as http:
        made = await http.post("/webhooks", json={"name": "pd", "url": receiver.url, "format": "pagerduty", **secrets})
        tried = await http.post(f"/webhooks/{made.json()['id']}/test")
        listed = await http.get("/webhooks")
    assert tried.json() == {"delivered": True, "status": 204, "error": "", "reply": ""}
    (heard,) = receiver.taken
    assert (heard.headers["authorization"], heard.json["routing_key"]) == ("Bearer t0k3n", "r0ut1ng")
    rows = await audit.rows(notifier.state, ENGINEER)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    seen = made.text.encode() + listed.content + str(rows).encode() + stored
    for word in ("s3cr3t-s3cr3t", "r0ut1ng", "t0k3n"):
        assert word.encode() not in seen


async def test_a_changed_webhook_keeps_what_is_secret_but_not_for_another_host(notifier: Notifier, receiver: Receiver) -> None:
    wanted = {"name": "pd", "url": receiver.url, "format": "pagerduty"}
    async with browser(notifier) as http:
        made = await http.post("/webhooks", json={**wanted, "routing_key": "r0ut1ng", "headers": {"Authorization": "Bearer t0k3n"}})
        path = f"/webhooks/{made.json()['id']}"
        changed = await http.put(path, json={**wanted, "name": "on call", "severity": "major", "filter": "site:Ber*"})
        await http.post(f"{path}/test")
        elsewhere = {**wanted, "url": receiver.url.replace("127.0.0.1", "localhost")}
        refused = await http.put(path, json=elsewhere)
        moved = await http.put(path, json={**elsewhere, "format": "trunkline"})
        await http.post(f"{path}/test")
        missing = await http.put("/webhooks/none", json=wanted)
    assert {key: changed.json()[key] for key in ("name", "severity", "filter")} == {
        "name": "on call",
        "severity": "major",
        "filter": "site:Ber*",
    }
    assert "secret" not in changed.json() and len(moved.json()["secret"]) >= 32
    assert (refused.status_code, refused.json()["field"], missing.status_code) == (422, "routing_key", 404)
    first, second = receiver.taken
    assert (first.headers["authorization"], first.json["routing_key"]) == ("Bearer t0k3n", "r0ut1ng")
    assert "authorization" not in second.headers
    rows = await audit.rows(notifier.state, ENGINEER)
    assert [row["act"] for row in rows].count("webhook.change") == 2


async def test_a_test_message_is_sent_once_logged_and_plainly_a_test(notifier: Notifier, receiver: Receiver) -> None:
    receiver.answer = lambda _: 503
    async with browser(notifier) as http:
        key = (await http.post("/webhooks", json={"name": "tickets", "url": receiver.url})).json()["id"]
        tried = (await http.post(f"/webhooks/{key}/test")).json()
        (entry,) = (await http.get("/deliveries")).json()["items"]
        detail = (await http.get(f"/deliveries/{entry['id']}")).json()
        missing = await http.post("/webhooks/none/test")
    assert tried == {"delivered": False, "status": 503, "error": "answered 503", "reply": "said"}
    assert (entry["webhook"], entry["transition"], entry["state"], entry["attempts"], entry["status"]) == (
        "tickets",
        "test",
        "failed",
        1,
        503,
    )
    assert [(each["outcome"], each["reply"]) for each in detail["tries"]] == [("answered", "said")]
    assert receiver.requests[0].json["summary"] == "This is a test message: nothing is broken." and receiver.requests[0].json["simulated"]
    assert missing.status_code == 404


async def test_the_log_pages_filters_and_replays(notifier: Notifier, receiver: Receiver) -> None:
    service = await service_on(notifier.state, VirtualClock(at(0)), announcer=notifier)
    async with browser(notifier) as http, running(notifier):
        await http.post("/webhooks", json={"name": "tickets", "url": receiver.url})
        await service.handle([down("if-r1-1"), down("if-r2-1"), down("if-r3-1")])
        await receiver.until(lambda: len(receiver.taken) == 3)
        await until_quiet(notifier.state)
        first = (await http.get("/deliveries", params={"limit": 2})).json()
        rest = (await http.get("/deliveries", params={"limit": 2, "cursor": first["next"]})).json()
        failed = (await http.get("/deliveries", params={"state": "failed"})).json()
        key = first["items"][0]["id"]
        replayed = (await http.post(f"/deliveries/{key}/replay")).json()
        await receiver.until(lambda: len(receiver.taken) == 4)
    assert ([len(page["items"]) for page in (first, rest)], first["total"], rest["next"], failed["total"]) == ([2, 1], 3, None, 0)
    assert first["items"][0].keys() >= {
        "id",
        "webhook_id",
        "webhook",
        "at",
        "transition",
        "alarm_id",
        "state",
        "attempts",
        "status",
        "error",
        "next_at",
    }
    assert (replayed, receiver.taken[3].key) == ({"id": key, "state": "pending"}, key)
    assert len({it.key for it in receiver.taken}) == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://10.1.2.3/"}, "url"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "http://user:word@example.com/"}, "url"),
        ({"format": "fax"}, "format"),
        ({"format": "pagerduty"}, "routing_key"),
        ({"format": "template"}, "template"),
        ({"format": "template", "template": "{{ nothing }}"}, "template"),
        ({"template": "{{ id }}"}, "template"),
        ({"name": "taken"}, "name"),
    ],
)
async def test_a_webhook_that_cannot_be_is_refused_with_its_reason(
    notifier: Notifier, receiver: Receiver, body: dict[str, Any], field: str
) -> None:
    async with browser(notifier) as http:
        await http.post("/webhooks", json={"name": "taken", "url": receiver.url})
        refused = await http.post("/webhooks", json={"name": "tickets", "url": receiver.url, **body})
        listed = (await http.get("/webhooks")).json()
    assert (refused.status_code, refused.json()["field"], listed["total"]) == (422, field, 1)
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {"severity": "terrible"},
        {"filter": "color:red"},
        {"headers": {"Host": "a"}},
        {"headers": {"X-Trunkline-Signature": "a"}},
        {"headers": {"A": "a\r\nB: b"}},
        {"content_type": "text/plain\r\nX: y"},
        {"name": "\x00"},
        {"filter": "a\x00b"},
        {"unknown": 1},
    ],
)
async def test_a_malformed_registration_is_refused(notifier: Notifier, receiver: Receiver, body: dict[str, Any]) -> None:
    async with browser(notifier) as http:
        refused = await http.post("/webhooks", json={"name": "tickets", "url": receiver.url, **body})
    assert refused.status_code == 422


async def test_reading_is_for_viewers_and_changing_for_engineers(notifier: Notifier, receiver: Receiver) -> None:
    hook, _ = await notifier.add_webhook(ENGINEER, "chat", receiver.url, "slack")
    async with browser(notifier, VIEWER) as http:
        (shown,) = (await http.get("/webhooks")).json()["items"]
        refused = [
            await http.post("/webhooks", json={"name": "b", "url": receiver.url}),
            await http.patch(f"/webhooks/{hook.id}", json={"enabled": False}),
            await http.delete(f"/webhooks/{hook.id}"),
            await http.post(f"/webhooks/{hook.id}/test"),
            await http.post("/deliveries/x/replay"),
        ]
    assert [answer.status_code for answer in refused] == [403] * 5 and receiver.requests == []
    assert shown["url"] == f"http://127.0.0.1:{receiver.port}/…"  # Slack's path is the credential


@pytest.mark.parametrize("scope", [Scope(1, Role.ENGINEER, "rita", regions=("north",)), Scope(2, Role.ADMIN, "other")])
async def test_who_sees_a_part_of_the_network_sees_no_webhook(notifier: Notifier, receiver: Receiver, scope: Scope) -> None:
    hook, _ = await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
    assert await notifier.try_out(ENGINEER, hook.id)
    (sent,) = await messages(notifier.state)
    async with browser(notifier, scope) as http:
        assert (await http.get("/webhooks")).json()["items"] == (await http.get("/deliveries")).json()["items"] == []
        assert (await http.get(f"/deliveries/{sent['id']}")).status_code == 404
        assert (await http.post("/webhooks", json={"name": "mine", "url": receiver.url})).status_code == 403
        assert (await http.delete(f"/webhooks/{hook.id}")).status_code == 403


async def test_of_two_with_one_name_one_is_made(notifier: Notifier, receiver: Receiver) -> None:
    async with browser(notifier) as http:
        made = await asyncio.gather(*(http.post("/webhooks", json={"name": "same", "url": receiver.url}) for _ in range(4)))
        listed = (await http.get("/webhooks")).json()
    assert (sorted(answer.status_code for answer in made), listed["total"]) == ([201, 422, 422, 422], 1)


async def test_webhooks_are_bounded(notifier: Notifier, receiver: Receiver) -> None:
    few = notifier_on(notifier.state, NotifySettings(allow=("127.0.0.0/8",), webhooks_max=1))
    async with browser(few) as http:
        first = await http.post("/webhooks", json={"name": "one", "url": receiver.url})
        second = await http.post("/webhooks", json={"name": "two", "url": receiver.url})
    assert (first.status_code, second.status_code) == (201, 422)


def test_the_old_word_for_a_format_is_understood() -> None:
    assert Registration.model_validate({"name": "a", "url": "https://a.example", "preset": "slack"}).format == "slack"
