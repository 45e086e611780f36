"""The console on a running station, a poisoned device in it: each screen accessible in each theme, and one stream for all tabs."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page, expect

from tests.browser.test_console_screens import WCAG
from tests.stories.demo_process import DemoProcess, alarms, wait_for
from tests.stories.test_poisoned_story import browser_page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CONTRAST = {"runOnly": ["color-contrast"]}
THEMES = {"dark": WCAG, "light": CONTRAST, "contrast": CONTRAST}  # only contrast depends on the theme
BILLED_WITHIN_S = 280


@pytest.fixture
def paths(demo: DemoProcess) -> list[str]:
    """Every screen, and one thing of each kind chosen on it."""
    topology = demo.get("/api/v1/topology")
    device, link = topology["nodes"][0], topology["links"][0]
    found = alarms(demo)[:1]
    chosen = [f"/alarms?sel={each['id']}" for each in found]
    plain = [
        "/",
        "/alarms?state=all&group=none",
        "/topology",
        "/performance",
        "/flow",
        "/services",
        "/devices",
        "/usage",
        "/notify",
        "/api",
    ]
    parts = [f"/topology?sel={device['id']}", f"/devices/{device['id']}"]
    return [*plain, *chosen, *parts, f"/performance?entity={link['a_interface']}&span=1h"]


def faults_of(page: Page, path: str, axe: str) -> Iterator[tuple[str, str, str, Any, str]]:
    """What axe finds on a page as it stands, in each theme."""
    page.evaluate(axe)
    for theme, options in THEMES.items():
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        for each in page.evaluate("options => axe.run(document, options)", options)["violations"]:
            yield path, theme, each["id"], each["nodes"][0]["target"], each["nodes"][0]["failureSummary"]


def show(page: Page, demo: DemoProcess, path: str) -> None:
    page.goto(str(demo.client.base_url).rstrip("/") + path)
    page.wait_for_selector("main.screen > :not(.skeleton)")
    expect(page.locator(".skeleton")).to_have_count(0, timeout=60_000)


def test_no_screen_of_a_running_station_breaks_wcag(demo: DemoProcess, paths: list[str]) -> None:
    axe = AXE_FILE_PATH.read_text()
    found: list[Any] = []
    with browser_page(demo) as (page, faults):
        for path in paths:
            show(page, demo, path)
            found += faults_of(page, path, axe)
            if path == "/notify":
                page.get_by_role("button", name="New webhook").click()
                found += faults_of(page, "a new webhook", axe)
    assert found == []
    assert faults == []


def test_an_explained_invoice_line_breaks_no_wcag(demo: DemoProcess) -> None:
    invoice = wait_for("a bill", lambda: demo.get("/api/v1/invoices")["items"], BILLED_WITHIN_S, every_s=2)[0]
    path = f"/usage/invoices/{invoice['id']}"
    with browser_page(demo) as (page, faults):
        show(page, demo, path)
        page.get_by_role("button", name="Explain").nth(1).click()
        expect(page.get_by_test_id("explain").locator(".skeleton")).to_have_count(0, timeout=60_000)
        assert list(faults_of(page, path, AXE_FILE_PATH.read_text())) == []
    assert faults == []


def test_a_webhook_made_on_screen_is_told_and_its_message_is_in_the_log(demo: DemoProcess) -> None:
    url = demo.get("/api/v1/webhooks")["items"][0]["url"]
    with browser_page(demo) as (page, faults):
        show(page, demo, "/notify")
        page.get_by_role("button", name="New webhook").click()
        page.get_by_label("Name", exact=True).fill("made on screen")
        page.get_by_label("URL", exact=True).fill(url)
        page.get_by_role("button", name="Create").click()
        page.get_by_role("button", name="I have it").click()
        row = page.get_by_role("row", name="made on screen").first
        row.get_by_role("button", name="Send test").click()
        expect(page.get_by_test_id("toast").filter(has_text="Delivered")).to_be_visible()
        expect(page.get_by_role("row", name="made on screen test message")).to_be_visible()
        row.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("button", name="Edit")).to_have_count(1)
    assert faults == []
