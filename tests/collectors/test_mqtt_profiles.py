"""Every MQTT profile does what its examples say, and any bytes are one word for a counter."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.mqtt_json import DeviceState, Measurement, MqttProfile, decode
from collectors.inputs.mqtt import profiles

EXAMPLES = [
    pytest.param(profile, example, id=f"{profile.name}: {example['says']}") for profile in profiles() for example in profile.examples
]


@pytest.mark.parametrize(("profile", "example"), EXAMPLES)
def test_examples_of_profiles(profile: MqttProfile, example: dict[str, Any]) -> None:
    said = decode(profile, example["topic"], example["payload"].encode())
    if not example["expect"]:
        assert isinstance(said, str)
        return
    assert isinstance(said, Measurement)
    found = {"device": said.device, "metric": said.metric.name, "value": said.value, "time_ms": said.time_ms}
    assert found == {"time_ms": 0, **example["expect"]}


def test_every_profile_has_an_example_that_acts_and_one_that_does_not() -> None:
    for profile in profiles():
        assert {bool(example["expect"]) for example in profile.examples} == {True, False}


def test_the_last_will_is_a_state() -> None:
    (profile,) = profiles()
    assert decode(profile, "trunkline/gw/state", b"offline") == DeviceState("gw", online=False)
    assert decode(profile, "trunkline/gw/state", b"online") == DeviceState("gw", online=True)
    assert decode(profile, "trunkline/gw/state", b"perhaps") == "state"


@given(topic=st.text(max_size=60), payload=st.binary(max_size=200))
def test_any_message_is_read_or_counted(topic: str, payload: bytes) -> None:
    for name in (topic, "trunkline/gw/cpu"):
        said = decode(profiles()[0], name, payload)
        assert isinstance(said, str | Measurement | DeviceState)


@pytest.mark.parametrize("payload", [b"NaN", b"Infinity", b"true", b'{"value": "1"}', b'{"value": null}', b"[" * 100_000, b"x" * 70_000])
def test_values_that_are_no_numbers_are_refused(payload: bytes) -> None:
    assert isinstance(decode(profiles()[0], "trunkline/gw/cpu", payload), str)
