"""Neighbours as devices tell them: LLDP's two MIBs and their dialects, CDP, forwarding and address tables."""

import pytest

from collectors.facts import look, present_interfaces
from collectors.recording import answering, read_recording
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.profiles import shipped_profiles
from inventory.facts import AddressFacts, DeviceFacts, InterfaceFacts, NeighbourFacts

SYSTEM = """
1.3.6.1.2.1.1.1.0|4|a switch
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.55555.1
1.3.6.1.2.1.1.3.0|67|4711
1.3.6.1.2.1.1.5.0|4|sw-1
1.3.6.1.2.1.31.1.1.1.1.49|4|ge-0/0/1
1.3.6.1.2.1.31.1.1.1.1.50|4|ge-0/0/2
"""
LLDP = """
1.0.8802.1.1.2.1.3.7.1.2.1|2|5
1.0.8802.1.1.2.1.3.7.1.3.1|4|ge-0/0/1
1.0.8802.1.1.2.1.4.1.1.4.0.1.7|2|4
1.0.8802.1.1.2.1.4.1.1.5.0.1.7|4x|020000000002
1.0.8802.1.1.2.1.4.1.1.6.0.1.7|2|3
1.0.8802.1.1.2.1.4.1.1.7.0.1.7|4x|02aa00000201
1.0.8802.1.1.2.1.4.1.1.9.0.1.7|4|r2
"""
WITH_LENGTH = "1.0.8802.1.1.2.1.4.2.1.3.0.1.7.1.4.192.0.2.2|2|2\n"
WITHOUT_LENGTH = "1.0.8802.1.1.2.1.4.2.1.3.0.1.7.1.192.0.2.2|2|2\n"
LLDP_V2 = """
1.3.111.2.802.1.1.13.1.4.1.1.5.0.49.1.7|2|4
1.3.111.2.802.1.1.13.1.4.1.1.6.0.49.1.7|4x|020000000002
1.3.111.2.802.1.1.13.1.4.1.1.7.0.49.1.7|2|3
1.3.111.2.802.1.1.13.1.4.1.1.8.0.49.1.7|4x|02aa00000201
1.3.111.2.802.1.1.13.1.4.1.1.10.0.49.1.7|4|r2
"""
CDP = """
1.3.6.1.4.1.9.9.23.1.2.1.1.4.49.1|4x|c0000202
1.3.6.1.4.1.9.9.23.1.2.1.1.6.49.1|4|r2(FOC1234)
1.3.6.1.4.1.9.9.23.1.2.1.1.7.49.1|4|Ethernet1/1
"""
FORWARDING = """
1.3.6.1.2.1.17.1.4.1.2.1|2|49
1.3.6.1.2.1.17.1.4.1.2.2|2|50
1.3.6.1.2.1.17.7.1.2.2.1.2.10.2.170.0.0.2.1|2|1
1.3.6.1.2.1.17.7.1.2.2.1.2.20.2.170.0.0.2.1|2|1
1.3.6.1.2.1.17.7.1.2.2.1.2.10.2.170.0.0.3.1|2|2
1.3.6.1.2.1.17.7.1.2.2.1.2.10.2.170.0.0.3.2|2|2
"""
ADDRESSES = """
1.3.6.1.2.1.4.22.1.2.49.192.0.2.9|4x|02aa00000901
1.3.6.1.2.1.4.35.1.4.49.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.9|4x|02aa00000901
"""
R2 = NeighbourFacts("lldp", 49, "ge-0/0/1", "02:00:00:00:00:02", "02:aa:00:00:02:01", remote_name="r2")


async def _look(recording: str) -> DeviceFacts:
    engine = Engine()
    try:
        async with answering(read_recording(SYSTEM + recording)) as port:
            facts = await look(
                engine, "127.0.0.1", port, [SnmpCredential(community="public")], shipped_profiles(), limits=Limits(timeout_s=1.0, retries=1)
            )
    finally:
        engine.close()
    assert isinstance(facts, DeviceFacts)
    return facts


@pytest.mark.parametrize(
    ("recording", "address"),
    [(LLDP, ""), (LLDP + WITH_LENGTH, "192.0.2.2"), (LLDP + WITHOUT_LENGTH, "192.0.2.2"), (LLDP_V2, "")],
    ids=["no address", "address with its length", "address without its length", "LLDP-V2-MIB"],
)
async def test_an_lldp_neighbour_is_found_in_every_dialect(recording: str, address: str) -> None:
    [found] = (await _look(recording)).neighbours
    assert found == NeighbourFacts(**{**{name: getattr(R2, name) for name in R2.__slots__}, "remote_address": address})


async def test_a_cdp_neighbour_loses_the_serial_number_behind_its_name() -> None:
    [found] = (await _look(CDP)).neighbours
    assert found == NeighbourFacts("cdp", 49, "ge-0/0/1", "", "Ethernet1/1", remote_name="r2", remote_address="192.0.2.2")


async def test_a_port_that_learned_one_station_has_that_neighbour_and_one_with_two_has_none() -> None:
    assert (await _look(FORWARDING)).neighbours == (NeighbourFacts("fdb", 49, "ge-0/0/1", "", "02:aa:00:00:02:01"),)


async def test_the_forwarding_table_is_not_asked_where_neighbours_speak_for_themselves() -> None:
    assert [one.protocol for one in (await _look(FORWARDING + LLDP)).neighbours] == ["lldp"]


async def test_addresses_on_the_devices_links_are_heard_of() -> None:
    assert (await _look(ADDRESSES)).heard == ("192.0.2.9", "2001:db8::9")


ROUTED = """
1.3.6.1.2.1.2.2.1.6.49|4x|02aa00000101
1.3.6.1.2.1.4.20.1.2.198.51.100.1|2|49
1.3.6.1.2.1.4.20.1.3.198.51.100.1|64|255.255.255.252
1.3.6.1.2.1.4.20.1.2.192.0.2.1|2|50
1.3.6.1.2.1.4.20.1.3.192.0.2.1|64|255.0.255.0
1.3.6.1.2.1.4.34.1.3.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1|2|49
1.3.6.1.2.1.4.34.1.4.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1|2|1
1.3.6.1.2.1.4.34.1.5.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1|6|1.3.6.1.2.1.4.32.1.5.49.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.0.127
1.3.6.1.2.1.14.10.1.3.198.51.100.2.0|64|203.0.113.2
1.3.6.1.2.1.14.10.1.3.198.51.100.99.0|64|203.0.113.9
1.3.6.1.2.1.15.3.1.2.198.51.100.2|2|6
1.3.6.1.2.1.15.3.1.2.203.0.113.2|2|6
"""


async def test_addresses_stand_on_their_interfaces_with_the_size_of_their_subnets() -> None:
    assert (await _look(ROUTED)).subnets == (
        AddressFacts("192.0.2.1", 50, -1),
        AddressFacts("198.51.100.1", 49, 30),
        AddressFacts("2001:db8::1", 49, 127),
    )


async def test_sessions_over_a_devices_own_subnets_are_neighbours_on_that_port() -> None:
    told = [(one.protocol, one.local_port, one.remote_address) for one in (await _look(ROUTED)).neighbours]
    assert told == [("ospf", "ge-0/0/1", "198.51.100.2"), ("bgp", "ge-0/0/1", "198.51.100.2")]


async def test_whoever_is_alone_on_a_link_is_a_neighbour_and_the_device_itself_is_nobody() -> None:
    own = "1.3.6.1.2.1.4.22.1.2.49.198.51.100.1|4x|02aa00000101\n"
    everybody = "1.3.6.1.2.1.4.22.1.2.49.198.51.100.3|4x|ffffffffffff\n"
    other = "1.3.6.1.2.1.4.22.1.2.49.198.51.100.2|4x|02aa00000201\n"
    another = "1.3.6.1.2.1.4.22.1.2.50.192.0.2.7|4x|02aa00000301\n1.3.6.1.2.1.4.22.1.2.50.192.0.2.8|4x|02aa00000401\n"
    told = (await _look(ROUTED.partition("1.3.6.1.2.1.14")[0] + own + everybody + other + another)).neighbours
    assert told == (NeighbourFacts("arp", 49, "ge-0/0/1", "", "02:aa:00:00:02:01", remote_address="198.51.100.2"),)


async def test_tables_of_the_wrong_kind_tell_nothing_and_break_nothing() -> None:
    wrong = """
1.3.6.1.2.1.4.20.1.2.198.51.100.1|4|forty-nine
1.3.6.1.2.1.4.20.1.3.198.51.100.1|2|30
1.3.6.1.2.1.4.20.1.2.999.51.100.1|2|49
1.3.6.1.2.1.4.22.1.2.49.198.51.100.2|2|17
1.3.6.1.2.1.4.34.1.4.2.16.32.1|4|x
1.3.6.1.2.1.4.34.1.5.1.4.198.51.100.9|6|0.0
1.3.6.1.2.1.4.34.1.4.1.4.198.51.100.9|2|1
1.3.6.1.2.1.14.10.1.3.7|4|x
1.3.6.1.2.1.15.3.1.2.300.0.0.1|2|6
1.3.6.1.2.1.17.1.4.1.2.1|4|port
1.3.6.1.2.1.17.4.3.1.2.1|4|x
1.0.8802.1.1.2.1.4.1.1.5.0.1.7|2|7
1.0.8802.1.1.2.1.4.1.1.7.0.1.7|6|1.3
1.3.6.1.4.1.9.9.23.1.2.1.1.6.49.1|2|1
"""
    facts = await _look(wrong)
    assert facts.subnets == () and [one.protocol for one in facts.neighbours] == ["lldp", "cdp"]


def test_of_an_interface_that_was_made_again_net_snmp_keeps_both_rows_and_the_newest_is_there() -> None:
    rows = (InterfaceFacts(1, "lo"), InterfaceFacts(2, "to-r3", admin_status=2), InterfaceFacts(523, "to-r3", admin_status=1))
    assert [one.if_index for one in present_interfaces(rows, "1.3.6.1.4.1.8072.3.2.10")] == [1, 523]
    assert present_interfaces(rows, "1.3.6.1.4.1.9.1.1") == rows  # a switch may call all its ports alike
