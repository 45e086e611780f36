"""What the HTTP edge lets through and what it does not."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dashboards.assets import Assets
from dashboards.inline import script_json
from dashboards.limits import RateLimit
from dashboards.pages import local_target
from dashboards.server import WebParts, create_app
from dashboards.settings import WebSettings
from station.clock import NS_PER_S, SystemClock
from station.data import data_dir
from station.hub import Hub
from station.scope import STATION, Role
from station.security import Security
from station.state import State
from tests.fakes.console_api import router
from tests.fakes.console_network import build

BASE = "http://127.0.0.1:8080"
PASSWORD = "four words in a row"
FIRST_SCREEN_BYTES = 80 * 1024


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await state.create_all()
    security = Security(state, SystemClock())
    await security.add_user(STATION, "operator", PASSWORD, Role.OPERATOR)
    hub = Hub()
    app = create_app(WebParts(security, hub, WebSettings(), [router(build(time.time_ns()), hub)], "0.1.0"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client
    await state.close()


async def sign_in(client: httpx.AsyncClient) -> str:
    """Sign in; return the CSRF token that the page carries."""
    answer = await client.post("/login", data={"user": "operator", "password": PASSWORD}, headers={"Origin": BASE})
    assert answer.status_code == 303
    page = await client.get("/", headers={"Accept": "text/html"})
    return page.text.split('"csrf":"')[1].split('"')[0]


async def test_nothing_is_answered_without_signing_in(client: httpx.AsyncClient) -> None:
    api = await client.get("/api/v1/alarms")
    assert (api.status_code, api.headers["content-type"]) == (401, "application/problem+json")
    assert api.json()["request_id"] == api.headers["x-request-id"]
    page = await client.get("/alarms?q=x", headers={"Accept": "text/html"})
    assert page.headers["location"] == "/login?next=%2Falarms%3Fq%3Dx"


async def test_a_foreign_host_name_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live", headers={"Host": "evil.example"})).status_code == 421


async def test_every_answer_carries_the_content_policy(client: httpx.AsyncClient) -> None:
    for path in ("/login", "/health/live", "/nowhere"):
        assert "require-trusted-types-for 'script'" in (await client.get(path)).headers["content-security-policy"]


async def test_a_write_needs_our_origin_and_token(client: httpx.AsyncClient) -> None:
    csrf = await sign_in(client)
    body = {"action": "acknowledge", "ids": []}
    right = {"Origin": BASE, "X-CSRF-Token": csrf}
    assert (await client.post("/api/v1/alarms/actions", json=body, headers=right)).status_code == 200
    for wrong in ({"Origin": BASE}, {"Origin": "http://evil.example", "X-CSRF-Token": csrf}, {"Origin": BASE, "X-CSRF-Token": "no"}):
        assert (await client.post("/api/v1/alarms/actions", json=body, headers=wrong)).status_code == 403


async def test_signing_in_from_another_site_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", data={"user": "operator", "password": PASSWORD}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


async def test_a_session_is_over_after_signing_out(client: httpx.AsyncClient) -> None:
    csrf = await sign_in(client)
    cookie = client.cookies["trunkline_session"]
    await client.post("/logout", headers={"Origin": BASE, "X-CSRF-Token": csrf})
    answer = await client.get("/api/v1/topology", headers={"Cookie": f"trunkline_session={cookie}"})
    assert answer.status_code == 401


async def test_a_large_body_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/login", content=b"x" * (1 << 21))).status_code == 413


async def test_the_page_brings_its_first_data(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    page = await client.get("/alarms", headers={"Accept": "text/html"})
    assert '"/api/v1/alarms?q=-suppressed&state=active&sort=severity&limit=200":' in page.text.replace("\\u0026", "&")


async def test_a_scraper_on_this_machine_reads_metrics(client: httpx.AsyncClient) -> None:
    assert "trunkline_http_requests_total" in (await client.get("/metrics")).text
    assert (await client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})).status_code == 401


@pytest.mark.parametrize("text", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a\nb"])
def test_signing_in_leads_nowhere_else(text: str) -> None:
    assert local_target(text) == "/"


def test_no_text_ends_the_inlined_data() -> None:
    assert "<" not in script_json({"name": "</script><script>alert(1)</script>\u2028"})


def test_a_caller_waits_once_the_burst_is_used() -> None:
    limit = RateLimit(per_s=2, burst=3)
    assert [limit.wait_s("a", 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait_s("a", NS_PER_S) == 0
    assert limit.wait_s("b", 0) == 0


@pytest.mark.parametrize("screen", ["now", "alarms", "topology", "performance", "device", "usage", "notify"])
def test_a_first_screen_is_small(screen: str) -> None:
    assets = Assets(data_dir("dashboards/static"))
    modules = assets.modules_of("app.js", f"screens/{screen}/screen.js")
    assert assets.packed_bytes([*modules, "tokens.css", "base.css", f"screens/{screen}/screen.css"]) <= FIRST_SCREEN_BYTES
