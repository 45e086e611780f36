"""The demo by itself: a cut fibre is one root, its children, the customers hurt, a delivered webhook and a clear."""

from pathlib import Path
from typing import Any

import pytest

from tests.stories.demo_process import SIZE, DemoProcess, alarms, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
UNKNOWN = "communications.unknown_notification"


def shown(demo: DemoProcess) -> list[dict[str, Any]]:
    """Open incidents that an operator sees, without what the poisoned device said."""
    quiet = {alarm["incident_id"] for alarm in alarms(demo, alarm_type=UNKNOWN)}
    return [it for it in demo.get("/api/v1/incidents", state="open")["items"] if not it["noise"] and it["id"] not in quiet]


def link_between(demo: DemoProcess, a: str, b: str) -> dict[str, Any]:
    topology = demo.get("/api/v1/topology")
    ids = {node["name"]: node["id"] for node in topology["nodes"]}
    (found,) = [link for link in topology["links"] if {link["a"], link["b"]} == {ids[a], ids[b]}]
    return dict(found)


def transitions(demo: DemoProcess, incident_id: str) -> list[str]:
    tickets = demo.get("/api/v1/simulation/tickets")["items"]
    assert all(ticket["headers"].get("x-trunkline-signature") for ticket in tickets)
    told = [delivery for delivery in demo.get("/api/v1/deliveries")["items"] if delivery["incident_id"] == incident_id]
    return [delivery["transition"] for delivery in reversed(told) if delivery["state"] == "delivered"]


def test_a_cut_fibre_is_one_root_with_its_customers_and_a_webhook_and_clears(demo: DemoProcess) -> None:
    link = link_between(demo, "ham-core-1", "ber-core-1")
    demo.post("/api/v1/simulation/cut", {"resource_id": link["id"]})
    incident = wait_for("the link is named", lambda: next((i for i in shown(demo) if i["root"]["id"] == link["id"]), None), 30)
    assert incident["verdict"] == "down"
    assert incident["explanation"]["evidence"]
    assert incident["services"] and incident["customers"]
    wait_for("the adjacency joins as a symptom", lambda: any(a["suppressed"] for a in alarms(demo)), 60)
    assert [i["root"]["id"] for i in shown(demo)] == [link["id"]]
    wait_for("the ticket system is told", lambda: transitions(demo, incident["id"])[:1] == ["opened"], 30)
    demo.post("/api/v1/simulation/restore", {"resource_id": link["id"]})
    wait_for("everything clears", lambda: shown(demo) == [], 90)
    wait_for("the ticket is closed", lambda: transitions(demo, incident["id"])[-1:] == ["closed"], 30)


def test_what_the_inventory_cannot_explain_is_said_to_be_unknown(demo: DemoProcess) -> None:
    demo.post("/api/v1/simulation/story", {"name": "undocumented radio Frankfurt"})
    found = wait_for("the missing link is named", lambda: next((i for i in shown(demo) if i["missing_link"]), None), 150)
    assert any(text.startswith("I do not know: the link") for text in found["explanation"]["unknown"])


def test_acts_on_alarms_are_counted_and_kept(demo: DemoProcess) -> None:
    wait_for("an alarm", lambda: alarms(demo), 60)
    done = demo.post("/api/v1/alarms/actions", {"action": "acknowledge", "filter": "severity>=warning"})
    assert done["succeeded"] == done["matched"] > 0
    assert all(alarm["ack_state"] == "acknowledged" for alarm in alarms(demo) if alarm["perceived_severity"] != "indeterminate")


def test_an_invoice_line_goes_back_to_its_counter_samples(demo: DemoProcess) -> None:
    invoices = wait_for("the closed month is billed", lambda: demo.get("/api/v1/invoices")["items"], 180, every_s=2)
    document = demo.get(f"/api/v1/invoices/{invoices[0]['id']}")
    numbers = [line["no"] for line in document["lines"]]
    trees = [demo.get(f"/api/v1/invoices/{document['id']}/lines/{no}/explain") for no in numbers]
    raw = [sample for tree in trees for port in tree["raw"] for sample in port["samples"]]
    assert raw and all({"time", "in_octets", "out_octets", "verdict"} <= sample.keys() for sample in raw)
    assert demo.client.get(f"/api/v1/invoices/{document['id']}.pdf").content.startswith(b"%PDF")


def test_last_week_is_there_to_compare_with(demo: DemoProcess) -> None:
    wait_for("most interfaces have their past", lambda: demo.get("/api/v1/now")["week_ago_in_bps"] or None, 180, every_s=2)
    refused = [
        row for row in demo.client.get("/metrics").text.splitlines() if row.startswith("trunkline_perf_blocks_total") and "refused" in row
    ]
    assert all(row.endswith(" 0.0") for row in refused), refused


def test_every_screen_answers_and_says_that_the_network_is_simulated(demo: DemoProcess) -> None:
    for path in ("/", "/alarms", "/topology", "/performance", "/flow", "/services", "/devices", "/usage", "/notify"):
        page = demo.client.get(path)
        assert page.status_code == 200, path
        assert '"simulated": true' in page.text or '"simulated":true' in page.text, path


def test_killed_with_minus_nine_it_comes_back_with_the_same_alarms(tmp_path: Path) -> None:
    first = DemoProcess(tmp_path / "data", "--no-script", "--no-history").start().sign_in()
    try:
        wait_for("the links", lambda: len(first.get("/api/v1/topology")["links"]) > SIZE, 60)
        link = link_between(first, "ham-core-1", "ber-core-1")
        first.post("/api/v1/simulation/cut", {"resource_id": link["id"]})
        wait_for("the link is named", lambda: any(i["root"]["id"] == link["id"] for i in shown(first)), 30)
        before = {(a["id"], a["occurrence"]) for a in alarms(first) if a["alarm_type"] == "communications.link_down"}
        first.kill()
        again = DemoProcess(tmp_path / "data", "--no-script", "--no-history", "--keep").start().sign_in()
        try:
            # The new simulator is whole again: the same alarms are there first, then polling clears them.
            assert before <= {(a["id"], a["occurrence"]) for a in again.get("/api/v1/alarms", state="all")["items"]}
            wait_for("polling clears them", lambda: not {a["id"] for a in alarms(again)} & {i for i, _ in before}, 90)
            told = again.get("/api/v1/deliveries")["items"]
            keys = [(d["webhook_id"], d["incident_id"], d["transition"], d["revision"]) for d in told]
            assert len(keys) == len(set(keys))
        finally:
            again.stop()
    finally:
        first.stop()
