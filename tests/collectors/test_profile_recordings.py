"""Both forms of recordings give one device; lines that are none are left out."""

import pytest

from collectors.codecs import ber, snmp
from collectors.codecs.ber import parse_oid
from collectors.codecs.snmp import VarBind
from collectors.recording import look_and_poll, read_recording
from collectors.snmp.profiles import shipped_profiles
from inventory.facts import DeviceFacts

SNMPREC = """1.3.6.1.2.1.1.1.0|4|Juniper Networks, Inc. mx960
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.2636.1.1.1.2.21
1.3.6.1.2.1.1.3.0|67|4711
1.3.6.1.2.1.1.5.0|4x|6d782d31
1.3.6.1.2.1.2.2.1.8.507|2|1
1.3.6.1.2.1.31.1.1.1.1.507|4|xe-0/0/0
1.3.6.1.2.1.31.1.1.1.6.507|70|18446744073709551615
1.3.6.1.4.1.2636.3.60.1.1.1.1.5.507|2|-312
1.3.6.1.4.1.2636.3.60.1.1.1.1.8.507|2:numeric|29
no recording at all
"""
WALK = """.1.3.6.1.2.1.1.1.0 = STRING: "Juniper Networks, Inc. mx960"
.1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.2636.1.1.1.2.21
.1.3.6.1.2.1.1.3.0 = Timeticks: (4711) 0:00:47.11
.1.3.6.1.2.1.1.5.0 = STRING: "mx-1"
.1.3.6.1.2.1.2.2.1.8.507 = INTEGER: up(1)
.1.3.6.1.2.1.31.1.1.1.1.507 = STRING: "xe-0/0/0"
.1.3.6.1.2.1.31.1.1.1.6.507 = Counter64: 18446744073709551615
.1.3.6.1.4.1.2636.3.60.1.1.1.1.5.507 = INTEGER: -312 0.01dbm
.1.3.6.1.4.1.2636.3.60.1.1.1.1.8.507 = INTEGER: 29
.1.3.6.1.4.1.2636.9.9 = No more variables left in this MIB View
"""
EXPECTED = {"sensor.optical_receive_power xe-0/0/0 receive power": -3.12, "sensor.temperature xe-0/0/0 transceiver temperature": 29.0}


async def test_a_walk_and_a_recording_of_one_device_are_one_device() -> None:
    profiles = shipped_profiles()
    (_, recorded), (facts, walked) = [await look_and_poll(read_recording(text), profiles) for text in (SNMPREC, WALK)]
    assert recorded == walked == EXPECTED
    assert isinstance(facts, DeviceFacts), facts
    assert [(one.if_index, one.name, one.oper_status) for one in facts.interfaces] == [(507, "xe-0/0/0", 1)]
    assert (facts.sys_name, facts.profile) == ("mx-1", "juniper_junos")


def test_values_of_a_walk_go_on_over_lines_and_have_every_type() -> None:
    cells = read_recording(
        '.1.3.1 = STRING: "first line\nsecond line"\n.1.3.2 = Hex-STRING: 00 1B\n21 AA \n.1.3.3 = IpAddress: 192.0.2.1\n'
        '.1.3.4 = Gauge32: 7\n.1.3.5 = ""\n.1.3.6 = Wrong Type (should be INTEGER): Gauge32: 5\n'
    )
    assert list(cells.values()) == [
        VarBind(parse_oid("1.3.1"), ber.OCTET_STRING, b"first line\nsecond line"),
        VarBind(parse_oid("1.3.2"), ber.OCTET_STRING, bytes.fromhex("001b21aa")),
        VarBind(parse_oid("1.3.3"), snmp.IP_ADDRESS, "192.0.2.1"),
        VarBind(parse_oid("1.3.4"), snmp.GAUGE32, 7),
        VarBind(parse_oid("1.3.5"), ber.OCTET_STRING, b""),
    ]


@pytest.mark.parametrize("good", ["1.3.6.1.2.1.1.5.0|4|name", '.1.3.6.1.2.1.1.5.0 = STRING: "name"'])
@pytest.mark.parametrize(
    "bad",
    [
        "1..3|2|1",
        "1.3.6|2|",
        "1.3.6|4x|abc",
        "1.3.6|6|nobody",
        "1.3.6|64x|c000",
        "1.3.7|66|-1",
        ".1..3 = INTEGER: 1",
        ".1.3.9 = Hex-STRING: 0",
    ],
)
def test_a_line_that_is_none_costs_only_itself(good: str, bad: str) -> None:
    assert parse_oid("1.3.6.1.2.1.1.5.0") in read_recording(f"{good}\n{bad}\n")
