"""Other systems' JSON becomes alarms by mappings that are data; each mapping's examples hold."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fault import json_in
from fault.foreign import FOREIGN, event_of
from fault.resources import Resources
from fault.service import FaultService
from station.clock import VirtualClock
from station.scope import STATION, Role, Scope
from station.settings import SettingsError
from tests.billing_bridge.calling import client
from tests.fault.network import NETWORK, at, service_on, store_at

EXAMPLES = [(name, n) for name, mapping in json_in.mappings().items() for n in range(len(mapping.examples))]
RESOURCES = Resources(NETWORK)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[FaultService]:
    state = await store_at(tmp_path)
    yield await service_on(state, VirtualClock(at(60)))
    await state.close()


@pytest.mark.parametrize(("name", "n"), EXAMPLES)
def test_every_example_becomes_what_it_says(name: str, n: int) -> None:
    mapping = json_in.mappings()[name]
    example = mapping.examples[n]
    made = [(alert, event_of(alert, RESOURCES, 1, name)) for alert in json_in.alerts(mapping, json.loads(example.body))]
    assert [{"severity": event.severity, "device": alert.labels.get("device", ""), "text": event.text} for alert, event in made] == list(
        example.expect
    )


def test_every_mapping_has_an_example_that_acts_and_one_that_does_not() -> None:
    for name, mapping in json_in.mappings().items():
        assert {bool(example.expect) for example in mapping.examples} == {True, False}, name


async def test_a_document_raises_and_its_recovery_clears_the_same_alarm(service: FaultService) -> None:
    async with client(Scope(STATION.tenant, Role.OPERATOR, "kim"), json_in.router(service)) as http:
        for value in ("1", "0"):
            sent = {"event_name": "No power", "severity": "Disaster", "value": value, "host": "r2", "trigger_id": "17"}
            assert (await http.post("/api/v1/alarms/in/zabbix", json=sent)).json() == {"taken": 1}
            await service.handle(list(await service.events.get()))
        answers = [(await http.post(f"/api/v1/alarms/in/{name}", json=[1, "x", None])).status_code for name in ("zabbix", "nothing")]
    (alarm,) = service.book.alarms.values()
    assert (alarm.resource, alarm.alarm_type, alarm.is_cleared, alarm.severity.word) == ("dev-r2", FOREIGN, True, "critical")
    assert answers == [422, 404]


def test_a_mapping_that_is_wrong_names_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('summary = "x"\nreference = "x"\nnaem = "y"\n')
    with pytest.raises(SettingsError) as caught:
        json_in.load_file(file)
    assert {fault.where for fault in caught.value.faults} == {"x.toml"}
    assert "naem" in {fault.key for fault in caught.value.faults}
