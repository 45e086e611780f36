"""Whose word counts: forged notifications raise no more than a doubt, and clear nothing that polling sees otherwise."""

import socket
from typing import Any

import pytest

from simulator import agent_ber as ber
from simulator.messages import SNMP_TRAP_OID, STANDARD, SYS_UP_TIME, UPS, Varbinds, trap_pdu, v2c_message
from simulator.mib import BGP, MIB_2, OSPF_NEIGHBOUR, address, number, octets
from simulator.tables import Oid
from tests.stories.demo_process import DemoProcess, alarms, node_at, wait_for
from tests.stories.test_demo_story import link_between

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HAM, BER, FRA_LAST = "127.64.1.1", "127.64.2.1", "127.64.3.20"
WITHIN_S = 60


def say(demo: DemoProcess, source: str, name: Oid, varbinds: Varbinds, community: str = "public") -> None:
    """A v2c notification from an address of one's choice: nothing in it proves anything."""
    head: Varbinds = [(SYS_UP_TIME, number(1, ber.TIME_TICKS)), (SNMP_TRAP_OID, ber.oid(name))]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.sendto(v2c_message(community, trap_pdu([*head, *varbinds], 1)), demo.sends_to("--trap"))


def link_trap(if_index: int, *, up: bool) -> tuple[Oid, Varbinds]:
    row = ((1, if_index), (7, 1), (8, 1 if up else 2))
    return (*STANDARD, 4 if up else 3), [((*MIB_2, 2, 2, 1, column, if_index), number(value)) for column, value in row]


def ospf_trap(router_id: str, *, up: bool) -> tuple[Oid, Varbinds]:
    index = (*octets("10.64.0.1"), 0)
    row = ((3, address(router_id)), (6, number(8 if up else 1)))
    return (*MIB_2, 14, 16, 2, 2), [((*OSPF_NEIGHBOUR, column, *index), value) for column, value in row]


def of(demo: DemoProcess, source: str, kind: str, qualifier: str = "") -> list[dict[str, Any]]:
    return [a for a in alarms(demo, alarm_type=kind, qualifier=qualifier) if a["device"] == node_at(demo, source)["name"]]


def metric(demo: DemoProcess, name: str, label: str) -> float:
    rows = demo.client.get("/metrics").text.splitlines()
    return sum(float(row.rpartition(" ")[2]) for row in rows if row.startswith(f"trunkline_{name}_total{{") and label in row)


def test_forged_losses_end_with_the_poll_they_start(demo: DemoProcess) -> None:
    port = demo.get(f"/api/v1/devices/{node_at(demo, HAM)['id']}")["interfaces"][1]
    say(demo, HAM, *link_trap(port["if_index"], up=False))
    say(demo, HAM, *ospf_trap(BER, up=False))
    bgp: Varbinds = [((*BGP, 3, 1, 7, *octets(FRA_LAST)), address(FRA_LAST)), ((*BGP, 3, 1, 2, *octets(FRA_LAST)), number(1))]
    say(demo, HAM, (*BGP, 0, 2), bgp)
    kinds = [("communications.link_down", ""), *(("communications.adjacency_down", q) for q in (f"ospf {BER}", f"bgp {FRA_LAST}"))]

    def ended() -> bool:
        rows = demo.get("/api/v1/alarms", state="all", limit=500)["items"]
        mine = [a for a in rows if (a["alarm_type"], a["qualifier"]) in kinds and a["device"] == node_at(demo, HAM)["name"]]
        return len(mine) >= len(kinds) and all(a["is_cleared"] for a in mine)

    wait_for("all three are raised and ended", ended, WITHIN_S)


def test_a_forged_recovery_clears_neither_the_link_nor_the_adjacency(demo: DemoProcess) -> None:
    link = link_between(demo, "ham-core-1", "ber-core-1")
    demo.post("/api/v1/simulation/cut", {"resource_id": link["id"]})
    try:
        (down,) = wait_for("the port's alarm", lambda: of(demo, HAM, "communications.link_down"), WITHIN_S)
        (lost,) = wait_for("the adjacency's alarm", lambda: of(demo, HAM, "communications.adjacency_down", f"ospf {BER}"), WITHIN_S)
        index = next(
            p["if_index"] for p in demo.get(f"/api/v1/devices/{node_at(demo, HAM)['id']}")["interfaces"] if p["name"] == down["object"]
        )
        say(demo, HAM, *link_trap(index, up=True))
        say(demo, HAM, *ospf_trap(BER, up=True))
        told = {alarm["id"]: (alarm["count"], alarm["occurrence"]) for alarm in (down, lost)}

        def contradicted() -> bool:
            now = {alarm["id"]: alarm["count"] for alarm in alarms(demo)}
            return all(now.get(key, 0) > count for key, (count, _) in told.items())

        wait_for("a look of its own that says both are still down", contradicted, WITHIN_S)
        assert {a["id"]: a["occurrence"] for a in alarms(demo) if a["id"] in told} == {key: n for key, (_, n) in told.items()}
    finally:
        demo.post("/api/v1/simulation/restore", {"resource_id": link["id"]})
    wait_for("the true recovery clears both", lambda: not {down["id"], lost["id"]} & {a["id"] for a in alarms(demo)}, 60)


def test_a_wrong_community_and_a_stranger_are_counted_and_raise_nothing(demo: DemoProcess) -> None:
    before = {alarm["id"] for alarm in alarms(demo)}
    counted = (("trap_refused", 'reason="community"'), ("notifications", 'outcome="unknown_sender"'))
    counts = [metric(demo, *each) for each in counted]
    say(demo, HAM, *link_trap(502, up=False), community="guess")
    say(demo, "127.99.1.1", *link_trap(502, up=False))
    wait_for("both are counted", lambda: [metric(demo, *each) for each in counted] == [n + 1 for n in counts], WITHIN_S)
    assert {alarm["id"] for alarm in alarms(demo)} <= before


def test_a_power_system_says_when_its_mains_are_back(demo: DemoProcess) -> None:
    agg = demo.get("/api/v1/devices", limit=500)["items"]
    source = next(device["management_address"] for device in agg if device["name"] == "ham-agg-2")
    say(demo, source, (*UPS, 2, 1), [((*UPS, 1, 2, 3, 0), number(20))])
    wait_for("it runs on battery", lambda: of(demo, source, "environment.on_battery"), WITHIN_S)
    say(demo, source, (*UPS, 2, 4), [((*UPS, 1, 6, 2, 1, 2, 1), ber.oid((*UPS, 1, 6, 3, 2)))])
    wait_for("the mains are back", lambda: not of(demo, source, "environment.on_battery"), WITHIN_S)
