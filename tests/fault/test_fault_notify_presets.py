"""Each preset keeps to the convention of the system it speaks to; a template can do no harm."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from fault.notify import samples, template
from fault.notify.message import Announcement, PresetError
from fault.notify.presets import alertmanager, pagerduty, presets, slack
from fault.notify.routes import Webhook
from fault.notify.sending import content
from fault.notify.settings import NotifySettings
from tests.fault.network import at

SETTINGS = NotifySettings(template_s=1)
INCIDENT = replace(samples.announcement("incidents", at(0), "noc"), at="2023-11-14T22:13:20.000Z", station_url="https://noc.example")
ALARM = replace(samples.announcement("alarms", at(0), "noc"), station_url="https://noc.example")


def ended(it: Announcement) -> Announcement:
    """The end of what this one begins."""
    name = "closed_at" if it.about == "incident" else "cleared_at"
    transition = "closed" if it.about == "incident" else "cleared"
    return replace(it, id="other", transition=transition, revision=2, body={**it.body, name: "2023-11-14T22:20:00.000Z"})


async def sent(name: str, it: Announcement) -> tuple[Any, str]:
    body, kind = await content(Webhook("w", "noc", "https://a.example", name), it, SETTINGS)
    return json.loads(body), kind


@pytest.mark.parametrize("name", sorted(presets()))
@pytest.mark.parametrize("it", [INCIDENT, ended(INCIDENT), ALARM, ended(ALARM)])
async def test_every_preset_tells_of_everything(name: str, it: Announcement) -> None:
    body, kind = await sent(name, it)
    assert "json" in kind
    assert it.object_id in json.dumps(body) or name == "slack"


@pytest.mark.parametrize("name", sorted(presets()))
@pytest.mark.parametrize("it", [INCIDENT, ALARM])
async def test_a_simulated_network_is_always_named(name: str, it: Announcement) -> None:
    real, _ = await sent(name, it)
    told, _ = await sent(name, replace(it, simulated=True))
    assert "simulated" in json.dumps(told).lower() and told != real


async def test_own_json_carries_the_incident_as_the_api_shows_it() -> None:
    body, kind = await sent("trunkline", INCIDENT)
    assert kind == "application/json"
    assert body == {
        "version": 1,
        "id": INCIDENT.id,
        "type": "incident.opened",
        "transition": "opened",
        "revision": 1,
        "at": INCIDENT.at,
        "simulated": False,
        "summary": "This is a test message: nothing is broken.",
        "incident": json.loads(json.dumps(INCIDENT.body)),
    }
    assert {"root", "explanation", "services", "customers"} <= body["incident"].keys()


async def test_cloudevents_has_the_required_attributes_and_no_illegal_name() -> None:
    body, kind = await sent("cloudevents", replace(INCIDENT, simulated=True))
    assert kind == "application/cloudevents+json; charset=utf-8"
    assert (body["specversion"], body["id"], body["source"]) == ("1.0", INCIDENT.id, "https://noc.example")
    assert (body["type"], body["subject"], body["time"]) == ("trunkline.incident.opened.v1", INCIDENT.object_id, "2023-11-14T22:13:20.000Z")
    assert (body["datacontenttype"], body["simulated"], body["sequence"]) == ("application/json", True, "0000000001")
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in body)
    assert body["data"]["incident"]["root"]["name"] == "test-a - test-b"
    closed, _ = await sent("cloudevents", ended(INCIDENT))
    alarm, _ = await sent("cloudevents", replace(ALARM, station_url=""))
    assert (closed["type"], alarm["type"], alarm["source"]) == ("trunkline.incident.closed.v1", "trunkline.alarm.raised.v1", "/trunkline")


GROUP_KEYS = {"version", "groupKey", "truncatedAlerts", "status", "receiver"}
GROUP_KEYS |= {"groupLabels", "commonLabels", "commonAnnotations", "externalURL", "alerts"}
ALERT_KEYS = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}


@pytest.mark.parametrize("it", [INCIDENT, ALARM])
async def test_alertmanager_resolves_what_it_fired(it: Announcement) -> None:
    first, _ = await sent("alertmanager", it)
    last, _ = await sent("alertmanager", ended(it))
    (firing,), (resolved,) = first["alerts"], last["alerts"]
    assert first.keys() == GROUP_KEYS and firing.keys() == ALERT_KEYS
    assert (first["version"], first["truncatedAlerts"], first["receiver"]) == ("4", 0, "noc")
    assert (first["status"], firing["status"], firing["endsAt"]) == ("firing", "firing", "0001-01-01T00:00:00Z")
    assert (last["status"], resolved["status"], resolved["endsAt"]) == ("resolved", "resolved", "2023-11-14T22:20:00.000Z")
    assert (firing["fingerprint"], first["groupKey"], firing["startsAt"]) == (
        resolved["fingerprint"],
        last["groupKey"],
        resolved["startsAt"],
    )
    assert all(isinstance(text, str) and text for each in (firing["labels"], firing["annotations"]) for text in each.values())
    assert firing["labels"]["severity"] == "warning" and firing["labels"].items() >= first["groupLabels"].items()


def test_the_fingerprint_is_that_of_prometheus() -> None:
    # FNV-1a 64 of nothing is its offset; of one label, `a` 0xff `b` 0xff by hand.
    value = 0xCBF29CE484222325
    for octet in b"a\xffb\xff":
        value = ((value ^ octet) * 0x100000001B3) % 2**64
    assert (alertmanager.fingerprint({}), alertmanager.fingerprint({"a": "b"})) == ("cbf29ce484222325", f"{value:016x}")


async def test_pagerduty_triggers_and_resolves_under_one_key() -> None:
    hook = Webhook("w", "noc", "https://a.example", "pagerduty")
    first = json.loads((await content(hook, replace(INCIDENT, routing_key="R" * 32), SETTINGS))[0])
    last = json.loads((await content(hook, replace(ended(INCIDENT), routing_key="R" * 32), SETTINGS))[0])
    assert (first["routing_key"], first["event_action"], last["event_action"]) == ("R" * 32, "trigger", "resolve")
    assert first["dedup_key"] == last["dedup_key"] == INCIDENT.object_id and len(first["dedup_key"]) <= 255
    assert {"summary", "source", "severity"} <= first["payload"].keys() and first["payload"]["severity"] == "warning"
    assert first["links"] == [{"href": f"https://noc.example/alarms?q=incident:{INCIDENT.object_id}", "text": "Open in Trunkline"}]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("critical", "critical"), ("major", "error"), ("minor", "warning"), ("warning", "warning"), ("indeterminate", "info")],
)
def test_pagerduty_knows_four_severities(ours: str, theirs: str) -> None:
    long = {**INCIDENT.body, "perceived_severity": ours, "explanation": {**INCIDENT.body["explanation"], "summary": "x" * 5000}}
    payload = pagerduty.body(replace(INCIDENT, body=long))["payload"]
    assert (payload["severity"], len(payload["summary"])) == (theirs, 1024)


def test_slack_keeps_to_its_limits_and_makes_no_link_of_a_devices_words() -> None:
    hostile = "<!channel> & <https://evil.example|fine>" * 100
    services = [{"id": f"s{n}", "name": f"<service {n}>", "customer": "c"} for n in range(500)]
    hurt = {"services": 500, "customers": 1}
    explained = {**INCIDENT.body["explanation"], "summary": hostile, "evidence": [hostile] * 50}
    root = {**INCIDENT.body["root"], "name": "r" * 400}
    message = slack.body(
        replace(INCIDENT, body={**INCIDENT.body, "root": root, "explanation": explained, "services": services, "impact": hurt})
    )
    header, section, fields, context = message["blocks"]
    assert (header["type"], header["text"]["type"], len(header["text"]["text"])) == ("header", "plain_text", 150)
    assert section["text"]["type"] == "mrkdwn" and len(section["text"]["text"]) <= 3000 and len(fields["fields"]) <= 10
    assert "<!channel>" not in json.dumps(message) and "<https://evil" not in json.dumps(message)
    assert "and 490 more" in fields["fields"][0]["text"] and context["elements"][0]["text"].endswith("|Open in Trunkline>")


def hook_of(text: str, content_type: str = "application/json") -> Webhook:
    return Webhook("w", "noc", "https://a.example", template.NAME, text, content_type)


@pytest.mark.slow
async def test_a_template_says_it_in_its_own_words() -> None:
    text = '{"title": {{ incident.root.name|tojson }}, "state": "{{ transition }}", "hurt": {{ incident.services|length }}}'
    body, kind = await content(hook_of(text), INCIDENT, SETTINGS)
    assert (json.loads(body), kind) == ({"title": "test-a - test-b", "state": "opened", "hurt": 1}, "application/json")
    plain, kind = await content(hook_of("{{ alarm.device }}: {{ severity }}", "text/plain"), ALARM, SETTINGS)
    assert (plain, kind) == (b"test-a: warning", "text/plain")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ incident.nothing }}", "has no attribute 'nothing'"),
        ("{% if %}", "line"),
        ('{"a": {{ transition }}}', "not JSON"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "more than 1 s"),
        ("{{ 'x' * 10 ** 9 }}", "memory"),
        ("{% for a in range(9999) %}{{ 'x' * 1000 }}{% endfor %}", "more than 262144 characters"),
        ("x" * 20_000, "at most 16384 characters"),
    ],
)
async def test_a_template_that_cannot_be_is_refused_with_its_reason(text: str, says: str) -> None:
    with pytest.raises(PresetError) as refused:
        await content(hook_of(text), INCIDENT, SETTINGS)
    assert says in str(refused.value)
