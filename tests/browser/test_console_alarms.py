"""The shift's main screens in a real browser: see it, understand it, take it."""

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.conftest import Console
from tests.fakes.console_network import raise_alarm

pytestmark = pytest.mark.slow


def open_alarms(page: Page, console: Console, query: str = "") -> None:
    page.goto(f"{console.url}/alarms{query}")
    page.wait_for_selector("[data-testid=alarm-row]")


def test_one_outage_is_one_row_and_opens_to_its_children(page: Page, console: Console) -> None:
    open_alarms(page, console)
    assert page.locator("[data-testid=alarm-row][data-severity=critical]").count() == 1
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page.locator("[data-testid=alarm-row][data-depth='1']")).to_have_count(4)


def test_the_drawer_says_why(page: Page, console: Console) -> None:
    open_alarms(page, console)
    page.locator("[data-testid=alarm-row] [data-column=device]").first.click()
    why = page.get_by_test_id("why")
    expect(why).to_contain_text("traffic goes by Bremen")
    expect(why).to_contain_text("94 % sure")
    expect(page.get_by_test_id("drawer")).to_contain_text("no optical power alarm")


def test_a_is_acknowledge_and_z_takes_it_back(page: Page, console: Console) -> None:
    open_alarms(page, console)
    page.keyboard.press("j")
    page.keyboard.press("a")
    first = page.locator("[data-testid=alarm-row][data-severity=critical]")
    expect(first).to_have_attribute("data-state", "acknowledged")
    page.keyboard.press("z")
    expect(first).to_have_attribute("data-state", "active")


def test_z_before_the_act_is_answered_takes_it_back_once_it_is(page: Page, console: Console) -> None:
    open_alarms(page, console)
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/alarms/actions", lambda route: route.continue_() if held else held.append((route, route.fetch())))
    page.keyboard.press("j")
    page.keyboard.press("a")
    first = page.locator("[data-testid=alarm-row][data-severity=critical]")
    expect(first).to_have_attribute("data-state", "acknowledged")
    page.keyboard.press("z")
    route, response = held[0]
    route.fulfill(response=response)
    expect(first).to_have_attribute("data-state", "active")


def test_all_that_match_are_taken_in_one_request(page: Page, console: Console) -> None:
    open_alarms(page, console, "?q=severity:minor")
    page.keyboard.press("*")
    expect(page.get_by_test_id("bulk-bar")).to_contain_text("that match")
    page.keyboard.press("a")
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_test_id("toast")).to_contain_text("acknowledged")
    assert [(each["action"], each.get("filter")) for each in console.network.actions] == [("acknowledge", "severity:minor -suppressed")]


def test_a_raised_alarm_is_painted_by_the_stream(page: Page, console: Console) -> None:
    open_alarms(page, console)
    expect(page.get_by_test_id("live-status")).to_have_attribute("data-live", "live")
    alarm = raise_alarm(console.network, "kie-core-01", "xe-9/9/9", "Brand new", "critical", 0)
    console.call(lambda: console.hub.publish("alarm", alarm))
    page.wait_for_selector(f"[data-alarm-id='{alarm['id']}']")


def test_paused_list_counts_what_waits(page: Page, console: Console) -> None:
    open_alarms(page, console)
    page.keyboard.press("p")
    alarm = raise_alarm(console.network, "kie-core-01", "xe-9/9/8", "Later", "critical", 0)
    console.call(lambda: console.hub.publish("alarm", alarm))
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    assert page.locator(f"[data-alarm-id='{alarm['id']}']").count() == 0
    page.keyboard.press("p")
    page.wait_for_selector(f"[data-alarm-id='{alarm['id']}']")


def test_the_row_being_read_does_not_move(page: Page, console: Console) -> None:
    open_alarms(page, console)
    for _ in range(6):
        page.keyboard.press("j")
    chosen = page.locator("[data-testid=alarm-row][aria-selected=true]")
    before = chosen.bounding_box()
    alarm = raise_alarm(console.network, "kie-core-01", "xe-9/9/7", "Above it", "critical", 0)
    console.call(lambda: console.hub.publish("alarm", alarm))
    expect(page.get_by_test_id("alarms-grid")).to_have_attribute("aria-rowcount", "42")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    after = chosen.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] == before["y"]


def test_what_stands_under_roots_is_a_list_of_its_own(page: Page, console: Console) -> None:
    open_alarms(page, console)
    page.get_by_role("button", name="Under roots").click()
    expect(page.locator("[data-testid=alarm-row]")).to_have_count(4)
    expect(page.locator("[data-testid=alarm-row]").first).to_contain_text("core-01")
    page.get_by_role("button", name="Under roots").click()
    expect(page.locator("[data-testid=alarm-row][data-severity=critical]")).to_have_count(1)


def test_what_was_done_to_all_that_match_is_taken_back(page: Page, console: Console) -> None:
    open_alarms(page, console, "?q=severity%3Aminor")
    page.keyboard.press("*")
    page.get_by_test_id("bulk-bar").get_by_role("button", name="Acknowledge").click()
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_test_id("toast")).to_contain_text("acknowledged")
    expect(page.locator("[data-testid=alarm-row][data-state=active]")).to_have_count(0)
    page.keyboard.press("z")
    expect(page.locator("[data-testid=alarm-row][data-state=active]")).not_to_have_count(0)
