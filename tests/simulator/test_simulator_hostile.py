"""Hostile strings reach every table, and each misbehaviour is the one it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import agent_ber as ber
from simulator.agent import Agent
from simulator.build import build
from simulator.hostile import KINDS, renumbered
from simulator.mib import IFX_ENTRY, table
from simulator.network import NS_PER_S, Network
from simulator.poison import POISON, SCRIPT, poisoned
from simulator.reading import Snapshot
from simulator.traffic import Boots
from simulator.world import Device

NOW_NS = 1_795_000_000 * NS_PER_S
WORLD = poisoned(build(1, 24))
NETWORK = Network(WORLD, Boots.of(WORLD, NOW_NS, {}), NOW_NS)


def ask(tag: int, oid: tuple[int, ...]) -> bytes:
    varbinds = ber.tlv(ber.SEQUENCE, ber.varbind(ber.oid(oid), ber.tlv(ber.NULL, b"")))
    pdu = ber.tlv(tag, ber.integer(7) + ber.integer(0) + ber.integer(10) + varbinds)
    return ber.tlv(ber.SEQUENCE, ber.integer(1) + ber.text("public") + pdu)


def test_poison_stands_in_the_devices_table_and_in_its_neighbours() -> None:
    device = WORLD.devices[-1]
    rows = table(NETWORK, device)
    whole = b"".join(rows.varbind(n, Snapshot(NETWORK, device, NOW_NS)) for n in range(len(rows)))
    for text in POISON:
        assert text.encode(errors="surrogateescape") in whole
    (link,) = WORLD.links_of[device.number]
    neighbour = WORLD.devices[WORLD.far_end(link, device.number).device]
    near = table(NETWORK, neighbour)
    assert SCRIPT.encode() in b"".join(near.varbind(n, Snapshot(NETWORK, neighbour, NOW_NS)) for n in range(len(near)))


PROPER = b"what an agent answers by the book"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_misbehaviour(kind: str) -> None:
    answer = KINDS[kind](ask(ber.GET_BULK, (1, 3, 6, 1, 2, 1, 2)), lambda: PROPER)
    expected = {
        "endless": ber.oid((1, 3, 6, 1, 2, 1, 3)),
        "loop": ber.oid((1, 3, 6, 1, 2, 1, 2)),
        "toobig": ber.integer(7) + ber.integer(1),
        "generr": ber.integer(7) + ber.integer(5) + ber.integer(1),
        "small": PROPER,
        "drops": PROPER,
        "garbage": b"\x30",
    }
    assert answer is None if kind == "dead" else answer is not None and expected[kind] in answer


def test_some_requests_are_dropped_and_not_the_same_ones_for_ever() -> None:
    answers = [KINDS["drops"](n.to_bytes(4), lambda: PROPER) for n in range(1000)]
    assert 200 < answers.count(None) < 400


def test_a_boot_renumbers_every_interface_and_keeps_its_name() -> None:
    network = Network(WORLD, Boots.of(WORLD, NOW_NS, {}), NOW_NS)
    device = WORLD.devices[-2]
    before = names_of(network, device)
    network.reboot(device.number, NOW_NS)
    network.advance(NOW_NS + 60 * NS_PER_S)
    after = names_of(network, device)
    assert sorted(before.values()) == sorted(after.values())
    assert before.keys().isdisjoint(after.keys())


def names_of(network: Network, device: Device) -> dict[int, bytes]:
    """ifName by ifIndex, as the renumbering agent shows it."""
    rows = renumbered(network, device)
    reading = Snapshot(network, device, NOW_NS)
    return {oid[-1]: rows.varbind(n, reading).rsplit(b"\x04", 1)[1] for n, oid in enumerate(rows.oids) if oid[:-1] == (*IFX_ENTRY, 1)}


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(data: bytes) -> None:
    agent = Agent(NETWORK, WORLD.devices[0], b"public")
    try:
        agent.answer(data, NOW_NS)
    except ber.BerError:
        return


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_come_back(value: int) -> None:
    encoded = ber.integer(value)
    assert ber.read_integer(encoded, 0, len(encoded)) == (value, len(encoded))


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_oids_come_back(parts: list[int]) -> None:
    oid = (1, 3, *parts)
    assert ber.read_oid(ber.oid_body(oid)) == oid
