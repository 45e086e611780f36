"""A console on a free loopback port with a network in memory, and a Chromium that looks at it."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboards.server import WebParts, create_app
from dashboards.settings import WebSettings
from station.clock import SystemClock
from station.hub import Hub
from station.scope import STATION, Role
from station.security import Security
from station.state import State
from tests.browser.faults import fault_routers
from tests.fakes.console_api import router
from tests.fakes.console_network import Network, build

PASSWORD = "four words in a row"
START_S = 60
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
]

expect.set_options(timeout=30_000)  # the tests assert what happens, never how soon


@dataclass
class Console:
    """`call` runs a function on the server's own loop, where hub and network live."""

    url: str
    network: Network
    hub: Hub
    loop: asyncio.AbstractEventLoop

    def call(self, act: Callable[[], Any]) -> None:
        done = threading.Event()

        def both() -> None:
            act()
            done.set()

        self.loop.call_soon_threadsafe(both)
        assert done.wait(60)


async def _serve(folder: Path, sock: socket.socket, ready: "list[Console]", stop: threading.Event) -> None:
    state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
    await state.create_all()
    security = Security(state, SystemClock())
    for role in (Role.OPERATOR, Role.VIEWER, Role.ADMIN):
        await security.add_user(STATION, role.value, PASSWORD, role)
    hub, network = Hub(), build(time.time_ns())
    settings = WebSettings(requests_burst=100_000, requests_per_s=10_000, sign_ins_per_min=1000)
    app = create_app(WebParts(security, hub, settings, [*await fault_routers(state, hub), router(network, hub)], "0.1.0", simulated=True))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    ready.append(Console(f"http://127.0.0.1:{sock.getsockname()[1]}", network, hub, asyncio.get_running_loop()))
    serving = asyncio.create_task(server.serve([sock]))
    while not stop.is_set() and not serving.done():
        await asyncio.sleep(0.05)
    server.should_exit = True
    await serving
    await state.close()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    ready: list[Console] = []
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        thread = threading.Thread(target=lambda: asyncio.run(_serve(tmp_path, sock, ready, stop)))
        thread.start()
        deadline = time.monotonic() + START_S
        while not ready and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ready, "the console did not start"
        yield ready[0]
        stop.set()
        thread.join(60)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Per module: Playwright's own event loop runs as long as this does, and no other test may meet it."""
    found = shutil.which("chromium")
    assert found, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


def sign_in(page: Page, console: Console, user: str = "operator", path: str = "/") -> None:
    page.goto(f"{console.url}/login?next={path}")
    page.get_by_label("Name").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("main.screen > :not(.skeleton)")


@pytest.fixture
def page(chromium: Browser, console: Console) -> Iterator[Page]:
    """A signed-in operator's page; a console error or an outside request fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"{error}"))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith((console.url, "data:")) else faults.append(f"outside: {request.url}"))
    sign_in(page, console)
    yield page
    context.close()
    assert faults == []
