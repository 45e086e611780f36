"""Alerts of Alertmanager and Prometheus as alarms: of the device and the port they name, once, cleared when resolved."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fault.foreign import FOREIGN, Alert, event_of, router
from fault.resources import Resources
from station.clock import VirtualClock
from station.scope import STATION, Role, Scope
from station.state import State
from tests.billing_bridge.calling import client
from tests.fault.network import NETWORK, at, service_on, store_at

FIRING = {
    "labels": {"alertname": "HighLoad", "severity": "critical", "instance": "127.64.0.1:9100", "job": "node"},
    "annotations": {"summary": "load is 40", "runbook_url": "https://wiki.example/load"},
    "status": "firing",
    "startsAt": "2023-11-14T22:13:20Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus:9090/graph",
    "fingerprint": "abc",
}


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


def labelled(**labels: str) -> Alert:
    return Alert.model_validate(FIRING | {"labels": labels})


@pytest.mark.parametrize(
    ("labels", "resource"),
    [
        ({"instance": "127.64.0.1:9100"}, "dev-r1"),
        ({"instance": "127.64.0.1"}, "dev-r1"),
        ({"instance": "r2:9100"}, "dev-r2"),
        ({"node": "r3", "instance": "127.64.0.1"}, "dev-r3"),
        ({"node": "r1", "interface": "ge-0/0/1"}, "if-r1-1"),
        ({"instance": "r1", "ifIndex": "101"}, "if-r1-1"),
        ({"node": "r1", "interface": "lo99"}, "dev-r1"),
        ({"instance": "web-7:443"}, FOREIGN),
        ({"instance": ":"}, FOREIGN),
        ({}, FOREIGN),
    ],
)
def test_an_alert_is_an_alarm_of_what_its_labels_name(labels: dict[str, str], resource: str) -> None:
    assert event_of(labelled(**labels), Resources(NETWORK), at(0), "prom").resource == resource


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ({}, "critical"),
        ({"labels": {"severity": "Warning"}}, "warning"),
        ({"labels": {"severity": "purple"}}, "indeterminate"),
        ({"labels": {}}, "indeterminate"),
        ({"status": "resolved"}, "cleared"),
        ({"status": "", "endsAt": "2023-11-14T22:13:20Z"}, "cleared"),  # as Prometheus says that it is over
        ({"status": "", "endsAt": "2033-11-14T22:13:20Z"}, "critical"),
        ({"status": "", "endsAt": "soon"}, "critical"),
    ],
)
def test_severity_words_become_perceived_severities(said: dict[str, Any], severity: str) -> None:
    assert event_of(Alert.model_validate(FIRING | said), Resources(NETWORK), at(0), "prom").severity == severity


async def test_told_again_it_is_the_same_alarm_and_resolved_it_is_cleared(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    caller = Scope(STATION.tenant, Role.OPERATOR, "prometheus")
    async with client(caller, router(service)) as http:
        louder = FIRING | {"labels": {**FIRING["labels"], "severity": "warning"}}  # type: ignore[dict-item]
        for body in ([FIRING], [louder], [FIRING | {"status": "resolved"}]):
            said = await http.post("/api/v1/alerts", json={"version": "4", "groupKey": "{}", "alerts": body})
            assert (said.status_code, said.json()) == (200, {"taken": 1, "of_devices": 1})
        assert (await http.post("/api/v2/alerts", json=[FIRING | {"status": ""}])).json()["taken"] == 1
        assert (await http.post("/api/v2/alerts", json=[FIRING] * 1_001)).status_code == 422
        assert (await http.post("/api/v1/alerts", json={"alerts": [{"labels": {"a": 1}}]})).status_code == 422
    states = []
    for _ in range(4):
        await service.handle(list(await service.events.get()))
        (alarm,) = service.book.alarms.values()
        states.append((alarm.severity.word, alarm.is_cleared, alarm.place.device))
    assert states == [("critical", False, "r1"), ("warning", False, "r1"), ("warning", True, "r1"), ("critical", False, "r1")]
    assert (alarm.text, alarm.proposed_repair) == ("load is 40", "https://wiki.example/load")


async def test_an_alert_of_something_unknown_is_an_alarm_all_the_same(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([event_of(labelled(alertname="CertExpires", instance="web-7:443"), service.resources, at(0), "prom")])
    (alarm,) = service.book.alarms.values()
    assert (alarm.resource, alarm.place.device, alarm.text) == (FOREIGN, "", "load is 40")


async def test_a_viewer_raises_nothing(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    async with client(Scope(STATION.tenant, Role.VIEWER, "v"), router(service)) as http:
        assert (await http.post("/api/v1/alerts", json={"alerts": [FIRING]})).status_code == 403


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=5))
def test_any_labels_make_an_event(labels: dict[str, str]) -> None:
    made = event_of(labelled(**{f"x{name}": value for name, value in labels.items()}), Resources(NETWORK), at(0), "prom")
    assert made.alarm_type == FOREIGN and len(made.qualifier) <= 255
