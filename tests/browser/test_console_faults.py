"""Causes, the plan, notices, planned work and reports by hand, against the station's own routers."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console, sign_in

pytestmark = pytest.mark.slow


def as_admin(page: Page, console: Console, path: str) -> None:
    page.context.clear_cookies()
    sign_in(page, console, "admin", path)
    expect(page.locator(".skeleton")).to_have_count(0)


def test_a_cause_is_accepted_and_a_loop_is_refused_by_name(page: Page, console: Console) -> None:
    as_admin(page, console, "/reports?tab=causes")
    row = page.get_by_test_id("cause").filter(has_text="equipment.fan_failed").filter(has_text="temperature_high")
    expect(row).to_contain_text("explains 87 % of 90 effects by 120 causes: 55 on the same device, 21 one link away")
    row.get_by_role("button", name="Accept").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("known of these fans")
    dialog.get_by_role("button", name="Accept").click()
    expect(row).to_have_attribute("data-state", "accepted")
    expect(row).to_contain_text("known of these fans")


def test_the_plan_says_who_is_told_and_is_changed_only_whole(page: Page, console: Console) -> None:
    as_admin(page, console, "/notify?tab=plan")
    routes = page.get_by_role("region", name="Routes")
    expect(routes).to_contain_text("major and worse, region:north")
    expect(routes).to_contain_text("whoever is on call by first line")
    routes.get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("{")
    dialog.get_by_role("button", name="Put in force").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This is no JSON")
    dialog.get_by_role("textbox").fill('{"teams": {"day": ["anna"]}}')
    dialog.get_by_role("button", name="Put in force").click()
    expect(routes).to_contain_text("revision 2")
    page.get_by_role("link", name="On call and tickets").click()
    expect(page.get_by_test_id("tickets")).to_contain_text("INC-4711")


def test_a_notice_is_read_changed_and_published(page: Page, console: Console) -> None:
    as_admin(page, console, "/notify?tab=notices")
    row = page.get_by_role("row", name="everybody")
    row.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Subject").fill("We are sorry")
    dialog.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("row", name="everybody")).to_contain_text("published")
    expect(page.get_by_role("row", name="everybody")).to_contain_text("We are sorry")


def test_work_is_planned_on_what_is_found_by_typing(page: Page, console: Console) -> None:
    as_admin(page, console, "/notify?tab=calendar")
    expect(page.get_by_test_id("calendar")).to_contain_text("new line card")
    page.get_by_role("button", name="Plan work").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What is done").fill("new software")
    dialog.get_by_label("Begins (your time)").fill("2030-01-07T02:00")
    dialog.get_by_role("button", name="Plan it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Say what the work is on")


def test_the_faults_of_a_month_are_shown_and_taken_along(page: Page, console: Console) -> None:
    as_admin(page, console, "/reports?tab=faults")
    expect(page.get_by_test_id("fault-figures")).to_contain_text("Faults3")
    expect(page.get_by_role("region", name="By team")).to_contain_text("nobody took it")
    with page.expect_download() as taken:
        page.get_by_role("link", name="PDF").click()
    assert taken.value.suggested_filename.startswith("faults-")


def test_the_drawer_shows_what_was_asked_first_and_what_to_do(page: Page, console: Console) -> None:
    page.goto(f"{console.url}/alarms?sel={next(iter(console.network.alarms))}")
    checks = page.get_by_test_id("first-checks")
    expect(checks.locator("li").first).to_contain_text("0 of 3 answered")
    expect(page.get_by_test_id("runbooks")).to_contain_text("Ask the provider of the fibre.")
    checks.get_by_role("button", name="Ask again").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Asked")


def test_an_incident_is_replayed_on_the_map(page: Page, console: Console) -> None:
    page.goto(f"{console.url}/topology?incident={next(iter(console.network.incidents.values()))['id']}")
    replay = page.get_by_test_id("replay")
    expect(replay).to_contain_text("traffic goes by Bremen")
    expect(replay.locator("ol > li")).to_have_count(5)
    replay.get_by_role("slider").fill(replay.get_by_role("slider").get_attribute("min") or "0")
    expect(replay.locator("ol > li")).to_have_count(0)
    replay.get_by_role("button", name="Replay").click()
    expect(replay.locator("ol > li")).to_have_count(5)
    replay.get_by_role("button", name="Live again").click()
    expect(replay).to_have_count(0)
