"""Every screen: accessible in each theme, usable at any width, and deaf to what hostile strings ask for."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import Console, sign_in
from tests.fakes.console_network import uid

pytestmark = pytest.mark.slow
INVOICE = uid("invoice", 0)
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>\u202egnp.exe' + "😈" * 200
SCREENS = ["/", "/alarms", "/topology", "/performance", "/flow", "/services", "/devices", "/usage", f"/usage/invoices/{INVOICE}", "/notify"]
TABS = [
    *("/customers", f"/customers/{uid('customer', 0)}"),
    *("/notify?tab=plan", "/notify?tab=on-call", "/notify?tab=notices", "/notify?tab=calendar"),
    *("/reports", "/reports?tab=faults", "/reports?tab=causes"),
    "/performance?view=heat",
]
THEMES = ["dark", "light", "contrast"]
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


def show(page: Page, console: Console, path: str) -> None:
    page.goto(console.url + path)
    page.wait_for_selector("main.screen > :not(.skeleton)")
    expect(page.locator(".skeleton")).to_have_count(0)


@pytest.mark.parametrize("theme", THEMES)
def test_no_screen_breaks_wcag(page: Page, console: Console, theme: str) -> None:
    page.context.add_cookies([{"name": "trunkline_theme", "value": theme, "url": console.url}])
    chosen = f"/alarms?sel={next(iter(console.network.alarms))}"
    faults = []
    tabs = TABS[THEMES.index(theme) :: len(THEMES)]  # these share their parts with each other
    for path in [*SCREENS, *tabs, chosen, f"/devices/{console.network.nodes[0]['id']}"]:
        show(page, console, path)
        found = Axe().run(page, options=WCAG).response["violations"]
        faults += [(path, each["id"], each["nodes"][0]["target"], each["nodes"][0]["failureSummary"]) for each in found]
    assert faults == []


@pytest.mark.parametrize("width", [360, 3840])
def test_every_screen_fits_its_window(page: Page, console: Console, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for path in [*SCREENS, *(TABS if width < 1000 else [])]:
        show(page, console, path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        expect(page.get_by_test_id("sim-banner")).to_be_visible()


def test_hostile_names_stay_text(page: Page, console: Console) -> None:
    dialogs: list[str] = []

    def seen(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", seen)
    for alarm in console.network.alarms.values():
        alarm.update(text=HOSTILE, device=HOSTILE, object=HOSTILE, site=HOSTILE, probable_cause=HOSTILE)
    for node in console.network.nodes:
        node["name"] = HOSTILE
    for site in console.network.sites:
        site["name"] = HOSTILE
    for path in [*SCREENS, f"/alarms?sel={next(iter(console.network.alarms))}"]:
        show(page, console, path)
        assert page.locator("#app img, #app script, #app [onerror]").count() == 0, path
    assert dialogs == []


def test_a_link_is_cut_and_put_back_on_the_map(page: Page, console: Console) -> None:
    page.context.clear_cookies()
    sign_in(page, console, "admin")
    show(page, console, "/topology")
    page.wait_for_selector("[data-testid=topology][data-ready=true]")
    link = console.network.link_between("ber-core-01", "dre-core-01")
    at = page.evaluate("id => window.trunkline.where(id)", link["id"])
    page.mouse.click(at["x"], at["y"])
    page.get_by_role("button", name="Cut this").click()
    expect(page.get_by_role("button", name="Put it back")).to_be_visible()
    assert link["up"] is False
    page.get_by_role("button", name="Put it back").click()
    expect(page.get_by_role("button", name="Cut this")).to_be_visible()


def test_an_invoice_line_is_explained_by_a_click(page: Page, console: Console) -> None:
    show(page, console, f"/usage/invoices/{INVOICE}")
    page.get_by_role("button", name="Explain").first.click()
    expect(page.get_by_test_id("explain")).to_contain_text("Ranked again, they give what was billed")


def test_flows_are_narrowed_to_one_interface_by_a_click(page: Page, console: Console) -> None:
    show(page, console, "/flow?by=interface")
    name = page.locator("section[aria-label='Largest by Interface'] tbody button").first
    name.click()
    expect(page.locator("section[aria-label='Largest by Application']")).to_contain_text("https (tcp 443)")
    page.get_by_role("button", name="All interfaces").click()
    expect(page.locator("section[aria-label='Exporters']")).to_contain_text("not told")


def test_a_broken_promise_comes_first_and_opens_to_its_outages(page: Page, console: Console) -> None:
    show(page, console, "/services")
    first = page.get_by_test_id("service-level").first
    expect(first).to_contain_text("3 h 38 min beyond 22 min")
    first.get_by_role("button").click()
    expect(page.get_by_test_id("level")).to_contain_text("25 % of the month's recurring charge")
    expect(page.get_by_test_id("level").locator("section", has_text="Outages that count").locator("tbody tr").first).to_contain_text(
        "15 min"
    )
    expect(page.get_by_test_id("level")).to_contain_text("Latency at most 20 ms in 99 % of the time")
    expect(first).to_contain_text("latency")
    expect(page.get_by_role("button", name="Propose the credit")).to_have_count(0)  # an operator moves no money


def test_time_that_should_not_count_is_proposed_with_its_reason_and_decided(page: Page, console: Console) -> None:
    page.context.clear_cookies()
    sign_in(page, console, "admin", "/services")
    page.get_by_test_id("service-level").first.get_by_role("button").click()
    page.get_by_role("button", name="Leave time out…").click()
    form = page.get_by_role("form", name="Propose time that does not count")
    expect(form.get_by_label("From (UTC)")).to_have_value("2026-11-03T10:00")  # the first outage is offered
    form.get_by_label("Reason and evidence").fill("flood, declared by the authorities")
    form.get_by_role("button", name="Propose").click()
    expect(page.get_by_test_id("toast")).to_contain_text("a second person decides")
    page.get_by_role("button", name="Close").click()
    page.reload()
    row = page.get_by_test_id("exclusion").filter(has_text="flood, declared by the authorities").first
    row.get_by_role("button", name="Approve").click()
    expect(row).to_contain_text("approved")


def test_who_bills_proposes_the_credit_of_a_broken_promise(page: Page, console: Console) -> None:
    page.context.clear_cookies()
    sign_in(page, console, "admin", "/services")
    page.get_by_test_id("service-level").first.get_by_role("button").click()
    page.get_by_role("button", name="Propose the credit").click()
    expect(page.get_by_test_id("toast")).to_contain_text("INV-2026-000001 is proposed")
