"""A device whose every text is an attack: over the wire into every screen, document, export and log, and out as text."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect, sync_playwright
from prometheus_client.parser import text_string_to_metric_families

from simulator.poison import ATTRIBUTE, DIRECTION, FORMULA, LABEL, LINK, POISON, SCRIPT, STORY, TEMPLATE
from tests.browser.conftest import CHROMIUM_ARGS
from tests.stories.demo_process import ROOT, DemoProcess, alarms, node_at, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ADDRESS, NEIGHBOUR = "127.64.3.20", "fra-agg-4"
UNKNOWN = "communications.unknown_notification"
BILLED_WITHIN_S = 200
FOREIGN = "img, script, iframe, object, embed, [onerror], [onfocus], [autofocus]:not(input), a[href^='javascript:' i]"
RUNS = re.compile(r"^[ \u00a0]*[=+@\t\r\n＝＋－＠-]")
NUMBER = re.compile(r"^-?\d+(\.\d+)?$")


@pytest.fixture(scope="module")
def said(demo: DemoProcess) -> dict[str, Any]:
    """The poisoned device, once it has said each of its texts and the station has made alarms of them."""
    demo.post("/api/v1/simulation/story", {"name": STORY})
    wait_for("every text is an alarm", lambda: len(alarms(demo, alarm_type=UNKNOWN)) >= 2 * (len(POISON) + 1), 60)
    return node_at(demo, ADDRESS)


@pytest.fixture(scope="module")
def invoice(demo: DemoProcess, said: dict[str, Any]) -> dict[str, Any]:
    """The invoice of the customer whose name is an attack."""

    def found() -> dict[str, Any] | None:
        items = demo.get("/api/v1/invoices")["items"]
        return next((dict(item) for item in items if str(item["customer"]).startswith(FORMULA)), None)

    return wait_for("the poisoned customer is billed", found, BILLED_WITHIN_S, every_s=2)


@contextmanager
def browser_page(demo: DemoProcess) -> Iterator[tuple[Page, list[str]]]:
    """A signed-in page and what went wrong in it: dialogs, errors (a broken content policy is one), outside requests."""
    program = shutil.which("chromium")
    assert program, "Chromium is missing: apt-get install chromium"
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGS)
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        base = str(demo.client.base_url)
        context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": base} for cookie in demo.client.cookies.jar])
        page = context.new_page()

        def opened(dialog: Dialog) -> None:
            faults.append(f"dialog {dialog.message}")
            dialog.dismiss()

        page.on("dialog", opened)
        page.on("pageerror", lambda error: faults.append(f"error {error}"))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith((base, "data:", "blob:")) else faults.append(request.url))
        yield page, faults
        browser.close()


def screens(said: dict[str, Any], demo: DemoProcess, invoice: dict[str, Any]) -> list[str]:
    spoken = alarms(demo, alarm_type=UNKNOWN)
    near = next(device for device in demo.get("/api/v1/devices", limit=500)["items"] if device["name"] == NEIGHBOUR)
    return [
        "/",
        "/alarms",
        *(f"/alarms?sel={alarm['id']}" for alarm in spoken[::5]),
        "/topology",
        f"/topology?sel={said['id']}",
        "/performance",
        "/devices",
        f"/devices/{said['id']}",
        f"/devices/{near['id']}",
        "/usage",
        f"/usage/invoices/{invoice['id']}",
        "/notify",
    ]


def test_no_screen_runs_or_builds_what_the_device_says(demo: DemoProcess, said: dict[str, Any], invoice: dict[str, Any]) -> None:
    shown: dict[str, str] = {}
    with browser_page(demo) as (page, faults):
        for path in screens(said, demo, invoice):
            page.goto(f"{demo.client.base_url}{path}".replace("//", "/").replace(":/", "://"))
            page.wait_for_selector("main.screen > :not(.skeleton)")
            expect(page.locator(".skeleton")).to_have_count(0, timeout=60_000)
            shown[path] = page.locator("#app").inner_text()
            assert page.locator(f"#app :is({FOREIGN})").count() == 0, path
            assert faults == [], path
    own, list_of_all = shown[f"/devices/{said['id']}"], shown["/devices"]
    assert said["name"] in own
    assert said["name"] in list_of_all
    assert [text for text in (SCRIPT, ATTRIBUTE, LINK, TEMPLATE, LABEL.split("\n")[0]) if text not in own] == []
    assert any(SCRIPT in text for path, text in shown.items() if path.startswith("/alarms"))
    assert FORMULA in shown[f"/usage/invoices/{invoice['id']}"]


def test_the_invoice_is_text_on_paper_and_in_a_spreadsheet(demo: DemoProcess, invoice: dict[str, Any], tmp_path: Path) -> None:
    pdf = demo.client.get(f"/api/v1/invoices/{invoice['id']}.pdf").content
    (tmp_path / "invoice.pdf").write_bytes(pdf)
    program = shutil.which("pdftotext")
    assert program, "pdftotext is missing: apt-get install poppler-utils"
    words = subprocess.run([program, "-layout", str(tmp_path / "invoice.pdf"), "-"], capture_output=True, text=True, check=True).stdout
    assert "alert(1)" in words.replace("\n", "")
    assert not re.search(rb"/(JavaScript|JS|Launch|OpenAction|EmbeddedFile)\b.{0,40}alert", pdf)
    assert LINK.encode() not in pdf
    no_formula(demo.client.get(f"/api/v1/invoices/{invoice['id']}.csv").content)


def test_no_export_holds_a_formula(demo: DemoProcess, invoice: dict[str, Any]) -> None:
    for form in ("csv", "jsonl"):
        answer = demo.client.get(
            "/api/v1/usage/export", params={"from": invoice["period_start"], "to": invoice["period_end"], "format": form}
        )
        assert answer.is_success, answer.text[:300]
        if form == "csv":
            no_formula(answer.content)
        else:
            assert all(json.loads(line) for line in answer.text.splitlines())


def no_formula(content: bytes) -> None:
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(rows) > 1
    assert [cell for row in rows for cell in row if RUNS.match(cell) and not NUMBER.match(cell)] == []


def test_a_label_breaks_no_scrape(demo: DemoProcess, said: dict[str, Any]) -> None:
    text = demo.client.get("/metrics/network").text
    families = list(text_string_to_metric_families(text))
    assert not any("forged" in family.name or "forged" in sample.name for family in families for sample in family.samples)
    aliases = {sample.labels.get("alias") for family in families for sample in family.samples if sample.labels.get("node") == said["name"]}
    assert LABEL in aliases
    program = shutil.which("promtool")
    assert program, "promtool is missing: apt-get install prometheus"
    checked = subprocess.run([program, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_ticket_holds_the_text_as_it_was_said(demo: DemoProcess, said: dict[str, Any]) -> None:
    def tickets() -> list[str]:
        return [json.dumps(item["body"], ensure_ascii=False) for item in demo.get("/api/v1/simulation/tickets")["items"]]

    name = json.dumps(said["name"], ensure_ascii=False)[1:-1]
    found = wait_for("a ticket about the device", lambda: [text for text in tickets() if name in text], 60)
    assert all(isinstance(json.loads(text), dict) for text in found)


def test_neither_log_nor_terminal_obeys(demo: DemoProcess, said: dict[str, Any]) -> None:
    commands = [["device", "list"], ["alarm", "list"]]
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "station.cli", *words, "--data", str(demo.data)], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for words in commands
    ]
    assert all("alert(1)" in text for text in outputs)
    for text in [*outputs, demo.whole_log()]:
        controls = {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"}
        assert controls == set(), "an escape, a bell or a turned direction"
        assert not any(line.startswith("<189>") for line in text.splitlines())
    assert DIRECTION not in demo.whole_log()


def test_a_forged_line_in_a_message_is_no_message_of_its_own(demo: DemoProcess, said: dict[str, Any]) -> None:
    assert not any(alarm["source"].startswith("syslog forged") for alarm in alarms(demo))
