"""Webhooks by hand: made, changed, paused and removed; what was sent can be looked at and sent again."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console, sign_in

pytestmark = pytest.mark.slow


def open_notify(page: Page, console: Console) -> None:
    page.context.clear_cookies()
    sign_in(page, console, "admin", "/notify")
    page.wait_for_selector("text=ticketing")


def fill(page: Page, name: str, url: str) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("URL", exact=True).fill(url)


def test_a_webhook_is_made_changed_paused_and_removed(page: Page, console: Console) -> None:
    open_notify(page, console)
    page.get_by_role("button", name="New webhook").click()
    fill(page, "chat", "https://chat.example/hook")
    page.get_by_label("Format").select_option("slack")
    page.get_by_label("From severity").select_option("major")
    page.get_by_text("Secret and headers").click()
    page.get_by_label("Headers, one a line").fill("Authorization: Bearer a:b\nX-Team: noc")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("dialog")).to_contain_text("made-for-this-test")
    page.get_by_role("button", name="I have it").click()
    made = console.network.webhooks[1]
    assert {key: made[key] for key in ("name", "format", "severity", "about", "enabled")} == {
        "name": "chat",
        "format": "slack",
        "severity": "major",
        "about": "incidents",
        "enabled": True,
    }
    assert made["headers"] == {"Authorization": "Bearer a:b", "X-Team": "noc"}
    row = page.get_by_role("row", name="chat")
    row.get_by_role("button", name="Edit").click()
    page.get_by_label("Name", exact=True).fill("chat of the night")
    page.get_by_role("button", name="Change").click()
    row = page.get_by_role("row", name="chat of the night")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("paused")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert [hook["name"] for hook in console.network.webhooks] == ["ticketing"]


def test_what_is_wrong_stands_at_its_field(page: Page, console: Console) -> None:
    open_notify(page, console)
    page.get_by_role("button", name="New webhook").click()
    fill(page, "inside", "https://ok.example/")
    page.get_by_label("Only what matches").fill("nonsense:x")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#fault-filter")).to_contain_text("there is no field")
    assert len(console.network.webhooks) == 1


def test_a_message_shows_its_tries_and_is_sent_again(page: Page, console: Console) -> None:
    open_notify(page, console)
    failed = page.get_by_role("row", name="503 Service Unavailable")
    failed.get_by_role("button", name="Tries").click()
    expect(page.get_by_role("dialog").get_by_role("row", name="answered 503")).to_have_count(4)
    page.get_by_role("button", name="Close").click()
    failed.get_by_role("button", name="Send again").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Queued again")
    page.get_by_role("button", name="failed", exact=True).click()
    expect(page.get_by_role("row", name="delivered")).to_have_count(0)
