"""Interfaces as agents tell them, those with gaps and odd numbers too."""

import pytest

from collectors.facts import _speed_bps
from collectors.recording import look_and_poll, read_recording
from collectors.snmp.profiles import shipped_profiles
from inventory.facts import DeviceFacts

SYSTEM = "1.3.6.1.2.1.1.1.0|4|a switch\n1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.55555.1\n"


@pytest.mark.parametrize(
    ("if_speed", "if_high_speed", "bps"),
    [
        (64_000, 0, 64_000),
        (100_000_000, 100, 100_000_000),
        (0xFFFF_FFFF, 10_000, 10_000_000_000),
        (1_410_065_408, 10_000, 10_000_000_000),  # ifSpeed that wrapped
        (0, 1_000_000_000, 1_000_000_000),  # ifHighSpeed in bit/s
        (-1, 0, 0),
        (0, -5, 0),
    ],
)
def test_a_speed_is_what_the_agent_can_have_meant(if_speed: int, if_high_speed: int, bps: int) -> None:
    assert _speed_bps(if_speed, if_high_speed) == bps


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ("1.3.6.1.2.1.2.2.1.1.7|2|7\n", ["if7"]),
        ("1.3.6.1.2.1.31.1.1.1.1.7|4|xe-7\n", ["xe-7"]),
        ("1.3.6.1.2.1.2.2.1.2.7|4x|657468300000\n1.3.6.1.2.1.2.2.1.8.7|2|9\n", ["eth0"]),
        ("1.3.6.1.2.1.2.2.1.2.7|4x|c3a9746800\n1.3.6.1.2.1.2.2.1.2.8.1|4|no row of this table\n", ["éth"]),
        ("1.3.6.1.2.1.2.2.1.2.2147483647|4|far\n1.3.6.1.2.1.2.2.1.6.2147483647|4|\n", ["far"]),
    ],
    ids=["only a number", "only a name", "padded with NULs, an unheard of state", "a foreign row", "the highest number"],
)
async def test_every_row_is_an_interface_whatever_else_it_lacks(rows: str, names: list[str]) -> None:
    facts, _ = await look_and_poll(read_recording(SYSTEM + rows), shipped_profiles())
    assert isinstance(facts, DeviceFacts), facts
    assert [one.name for one in facts.interfaces] == names
