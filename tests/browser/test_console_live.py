"""The event stream in real tabs: one for all of them, said when it is down, and nothing missed when it is back."""

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Console, sign_in
from tests.fakes.console_network import raise_alarm

pytestmark = pytest.mark.slow
ALONE = "delete globalThis.SharedWorker"


def streams(console: Console) -> float:
    """How many streams the server has open."""
    text = httpx.get(f"{console.url}/metrics").text
    found = re.search(r"^trunkline_event_streams (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


def open_alarms(page: Page, console: Console) -> None:
    page.goto(f"{console.url}/alarms")
    page.wait_for_selector("[data-testid=alarm-row]")


def test_two_tabs_hear_everything_by_one_stream(page: Page, console: Console) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        open_alarms(tab, console)
        expect(tab.get_by_test_id("live-status")).to_have_attribute("data-by", "worker")
        expect(tab.get_by_test_id("live-status")).to_have_attribute("data-live", "live")
    alarm = raise_alarm(console.network, "kie-core-01", "xe-9/9/9", "Brand new", "critical", 0)
    console.call(lambda: console.hub.publish("alarm", alarm))
    for tab in (page, other):
        tab.wait_for_selector(f"[data-alarm-id='{alarm['id']}']")
    assert streams(console) == 1


def test_a_lost_stream_says_so_and_comes_back_with_what_was_missed(chromium: Browser, console: Console) -> None:
    context = chromium.new_context()
    context.add_init_script(ALONE)
    page = context.new_page()
    sign_in(page, console)
    context.route("**/events?*", lambda route: route.abort())
    open_alarms(page, console)
    status = page.get_by_test_id("live-status")
    expect(status).to_have_attribute("data-live", "lost")
    expect(page.locator(".notice .stale")).to_contain_text("reconnects by itself")
    alarm = raise_alarm(console.network, "kie-core-01", "xe-9/9/8", "While away", "critical", 0)
    console.call(lambda: console.hub.publish("alarm", alarm))
    context.unroute("**/events?*")
    expect(status).to_have_attribute("data-live", "live", timeout=60_000)
    expect(status).to_have_attribute("data-by", "page")
    page.wait_for_selector(f"[data-alarm-id='{alarm['id']}']")
    expect(page.locator(".notice .stale")).to_have_count(0)
    context.close()
