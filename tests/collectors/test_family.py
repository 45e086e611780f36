"""Whose device it is, where its agent's identifier does not say."""

import pytest

from collectors.recording import look_and_poll, read_recording
from collectors.snmp.profiles import shipped_profiles
from inventory.facts import DeviceFacts

UPS = """1.3.6.1.4.1.2011.6.174.1.6.100.1.1.1|66|5385
1.3.6.1.4.1.2011.6.174.1.6.100.1.3.1|66|100
"""
DESCR = "1.3.6.1.2.1.1.1.0|4|Linux host 2.6.27\n"
NET_SNMP = "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.8072.3.2.10\n"
ROUTER = "1.3.6.1.4.1.2011.5.25.31.1.1.1.1.5.67108867|2|9\n"
OWN = """1.3.6.1.4.1.2021.4.5.0|2|1000
1.3.6.1.4.1.2021.4.6.0|2|300
1.3.6.1.4.1.8072.1.2.1.1.4.0|2|1
"""


@pytest.mark.parametrize(
    ("recording", "profile"),
    [
        (DESCR + NET_SNMP + OWN, "linux"),
        (DESCR + NET_SNMP + OWN + UPS, "huawei_ups"),
        (DESCR + NET_SNMP + OWN + "1.3.6.1.4.1.9.9.117.1.1.2.1.2.1|2|2\n", "linux"),  # Cisco's tables are told by others too
        (DESCR + "1.3.6.1.2.1.1.2.0|6|0.0\n" + UPS, "huawei_ups"),
        (DESCR + "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.55555.7\n" + UPS, "huawei_ups"),
        (DESCR + UPS, "huawei_ups"),
        (DESCR + "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.2011.2.999\n" + UPS, "huawei_ups"),
        (DESCR + "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.2011.2.999\n" + UPS + ROUTER, "huawei_vrp"),
        (DESCR, "generic"),
    ],
    ids=[
        "no vendor",
        "a vendor behind net-snmp",
        "another's tables",
        "zeroDotZero",
        "an unknown product",
        "no identifier",
        "another of the maker's",
        "the maker's usual",
        "nothing",
    ],
)
async def test_the_family_is_found_by_its_tables_where_the_identifier_names_nobody(recording: str, profile: str) -> None:
    facts, _ = await look_and_poll(read_recording(recording), shipped_profiles())
    assert isinstance(facts, DeviceFacts), facts
    assert facts.profile == profile
