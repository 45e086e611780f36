"""Every MQTT profile does what its examples say, and any bytes are one word for a counter."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.mqtt_json import DeviceState, Measurement, MqttProfile, decode
from collectors.inputs.mqtt import profiles

TRUNKLINE = next(profile for profile in profiles() if profile.name == "trunkline_json")
EXAMPLES = [
    pytest.param(profile, example, id=f"{profile.name}: {example['says']}") for profile in profiles() for example in profile.examples
]


@pytest.mark.parametrize(("profile", "example"), EXAMPLES)
def test_examples_of_profiles(profile: MqttProfile, example: dict[str, Any]) -> None:
    said = decode(profile, example["topic"], example["payload"].encode())
    if not example["expect"]:
        assert isinstance(said, str)
        return
    expected = example["expect"] if isinstance(example["expect"], list) else [example["expect"]]
    assert [_told(one) for one in said] == [{"time_ms": 0, **one} if "metric" in one else one for one in expected]


def _told(said: Measurement | DeviceState | str) -> dict[str, Any]:
    if isinstance(said, DeviceState):
        return {"device": said.device, "online": said.online}
    assert isinstance(said, Measurement)
    return {"device": said.device, "metric": said.metric.name, "value": said.value, "time_ms": said.time_ms}


def test_every_profile_has_an_example_that_acts_and_one_that_does_not() -> None:
    for profile in profiles():
        assert {bool(example["expect"]) for example in profile.examples} == {True, False}


def test_the_last_will_is_a_state() -> None:
    profile = TRUNKLINE
    assert decode(profile, "trunkline/gw/state", b"offline") == (DeviceState("gw", online=False),)
    assert decode(profile, "trunkline/gw/state", b"online") == (DeviceState("gw", online=True),)
    assert decode(profile, "trunkline/gw/state", b"perhaps") == "state"


@given(topic=st.text(max_size=60), payload=st.binary(max_size=200))
def test_any_message_is_read_or_counted(topic: str, payload: bytes) -> None:
    for name in (topic, "trunkline/gw/cpu", "tele/gw/SENSOR", "zigbee2mqtt/gw", "zigbee2mqtt/gw/availability"):
        for profile in profiles():
            assert isinstance(decode(profile, name, payload), str | tuple)


@pytest.mark.parametrize("payload", [b"NaN", b"Infinity", b"true", b'{"value": "1"}', b'{"value": null}', b"[" * 100_000, b"x" * 70_000])
def test_values_that_are_no_numbers_are_refused(payload: bytes) -> None:
    assert isinstance(decode(TRUNKLINE, "trunkline/gw/cpu", payload), str)
