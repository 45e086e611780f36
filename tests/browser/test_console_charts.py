"""Charts and the part of the network a person looks at: gaps, one cursor, one zoom, alarms under the curve, region and span kept."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console

pytestmark = pytest.mark.slow


def show(page: Page, console: Console, path: str) -> None:
    page.goto(console.url + path)
    page.wait_for_selector("main.screen > :not(.skeleton)")
    expect(page.locator(".skeleton")).to_have_count(0)


def test_a_gap_is_hatched_and_alarms_lie_under_the_curve(page: Page, console: Console) -> None:
    alarm = next(each for each in console.network.alarms.values() if each["resource_kind"] == "interface")
    show(page, console, f"/performance?span=24h&entity={alarm['resource_id']}")
    expect(page.locator(".chart-gaps").first).to_have_attribute("data-gaps", re.compile(r"[2-9]|\d\d"))
    expect(page.get_by_test_id("ribbon").first).to_have_attribute("data-alarms", "1")
    expect(page.get_by_test_id("chart")).to_have_count(5)
    expect(page.locator(".panel h2")).to_contain_text(alarm["object"])


def test_one_cursor_and_one_zoom_run_over_all_charts(page: Page, console: Console) -> None:
    show(page, console, "/performance")
    charts, times = page.get_by_test_id("chart"), page.locator(".chart-legend .mono")
    box = charts.first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 50)
    expect(times).to_have_count(charts.count())
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 50, steps=4)
    page.mouse.up()
    whole = page.get_by_role("button", name="Whole span")
    expect(whole).to_have_count(charts.count())
    whole.first.click()
    expect(whole).to_have_count(0)


def test_region_and_span_go_along_from_screen_to_screen(page: Page, console: Console) -> None:
    show(page, console, "/")
    page.get_by_label("Region").select_option("North")
    page.get_by_label("Span of time").select_option("7d")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/devices?region=North&span=7d")
    expect(page.get_by_role("gridcell", name="North").first).to_be_visible()
    expect(page.get_by_role("gridcell", name="East")).to_have_count(0)
    page.get_by_label("Region").select_option("")
    expect(page.get_by_role("gridcell", name="East").first).to_be_visible()


def test_a_device_shows_each_port_sensor_and_session(page: Page, console: Console) -> None:
    node = next(node for node in console.network.nodes if node["name"] == "ber-core-01")
    show(page, console, f"/devices/{node['id']}")
    expect(page.get_by_role("region", name="Interfaces").locator("svg.spark").first).to_be_visible()
    expect(page.get_by_role("row", name="inlet temperature")).to_contain_text("31.5 °C")
    expect(page.get_by_role("row", name="bgp 10.0.0.1")).to_contain_text("not up")


def test_the_map_finds_a_node_and_brings_it_to_the_middle(page: Page, console: Console) -> None:
    show(page, console, "/topology")
    page.wait_for_selector("[data-testid=topology][data-ready=true]")
    page.keyboard.press("/")
    page.keyboard.type("ham-acc")
    page.keyboard.press("Enter")
    expect(page.locator(".side h1")).to_contain_text("ham-acc")
    canvas = page.get_by_test_id("topology").bounding_box()
    chosen = page.url.split("sel=")[1]
    at = page.evaluate("id => window.trunkline.where(id)", chosen)
    assert canvas
    assert abs(at["x"] - canvas["x"] - canvas["width"] / 2) < 2


def test_a_heat_map_is_of_what_is_chosen_and_leaves_gaps(page: Page, console: Console) -> None:
    show(page, console, "/performance?view=heat")
    row = page.locator("svg.heat").first
    expect(row.locator("rect")).to_have_count(70)  # of 72 parts, two are unknown
    expect(row).to_have_attribute("aria-label", re.compile(r": at most \d.*b/s"))
    page.get_by_label("By").select_option("site")
    expect(page.get_by_role("rowheader", name=console.network.sites[0]["name"])).to_be_visible()
    assert "by=site" in page.url
