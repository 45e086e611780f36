"""What repeats in a flood of v2c notifications is decoded once, and means exactly what the whole decoder says."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.codecs import snmp
from collectors.codecs.ber import parse_oid
from collectors.codecs.plain_notices import INFORM, outside
from collectors.codecs.snmp import Message, Pdu, PduType, VarBind, Version
from collectors.inputs import traps
from collectors.inputs.traps import Receiver
from collectors.mibs import shipped_mibs
from collectors.settings import TrapSettings
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import VirtualClock

TRAP_OID, UPTIME = parse_oid("1.3.6.1.6.3.1.1.4.1.0"), parse_oid("1.3.6.1.2.1.1.3.0")
LINK_DOWN, IF_INDEX, IF_DESCR = parse_oid("1.3.6.1.6.3.1.1.5.3"), parse_oid("1.3.6.1.2.1.2.2.1.1.7"), parse_oid("1.3.6.1.2.1.2.2.1.2.7")


def message(
    ticks: int = 1, request: int = 1, text: bytes = b"ge-0/0/7", kind: PduType = PduType.TRAP, community: bytes = b"public"
) -> bytes:
    varbinds = (
        VarBind(UPTIME, snmp.TIME_TICKS, ticks),
        VarBind(TRAP_OID, 6, LINK_DOWN),
        VarBind(IF_INDEX, 2, 7),
        VarBind(IF_DESCR, 4, text),
    )
    return snmp.encode(Message(Version.V2C, community, Pdu(kind, request, varbinds=varbinds)))


def receiver(**settings: Any) -> Receiver:
    picture = Topology(addresses={"192.0.2.1": 5})
    out: Channel[tuple[Notification, ...]] = Channel("plain_notices", 8)
    return Receiver(TrapSettings(port=0, **settings), topology=lambda: picture, mibs=shipped_mibs(), out=out, clock=VirtualClock(1))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31 - 1), st.binary(max_size=300), st.sampled_from([PduType.TRAP, PduType.INFORM]))
def test_a_message_heard_again_means_and_is_answered_what_it_meant_at_first(ticks: int, request: int, text: bytes, kind: PduType) -> None:
    known, fresh = receiver(), receiver()
    known.heard(message(text=text), "192.0.2.1")
    data = message(ticks, request, text, kind)
    assert outside(data) is not None
    again, first = known.heard(data, "192.0.2.1"), fresh.heard(data, "192.0.2.1")
    assert again == first
    assert again[0] is not None
    assert again[0].fields["ifDescr"] == first[0].fields["ifDescr"]  # type: ignore[union-attr]


def test_only_when_it_was_said_is_left_out_of_what_was_said() -> None:
    said = {outside(message(ticks, request)).said for ticks, request in ((1, 1), (99, 2), (2**31, 3))}  # type: ignore[union-attr]
    assert len(said) == 1
    assert outside(message(text=b"ge-0/0/8")).said not in said  # type: ignore[union-attr]


@given(st.binary(max_size=80))
@example(b"\x30")
@example(b"\x30\x82\x00")
def test_any_bytes_are_cut_or_left_to_the_whole_decoder(data: bytes) -> None:
    outside(data)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_message_with_one_octet_changed_is_never_taken_for_another(at: int, octet: int) -> None:
    data = bytearray(message())
    data[at % len(data)] = octet
    known, fresh = receiver(), receiver()
    known.heard(message(), "192.0.2.1")
    assert known.heard(bytes(data), "192.0.2.1") == fresh.heard(bytes(data), "192.0.2.1")


def test_a_community_that_is_not_heard_is_refused_again() -> None:
    one = receiver(communities=("public",))
    assert one.heard(message(), "192.0.2.1")[0] is not None
    assert one.heard(message(community=b"other"), "192.0.2.1") == (None, b"")


def test_informs_are_cut_as_informs() -> None:
    notice = outside(message(kind=PduType.INFORM))
    assert notice is not None
    assert (notice.tag, notice.community) == (INFORM, b"public")


def test_the_memory_of_what_was_said_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traps, "KEPT_MEANINGS", 3)
    one = receiver()
    for n in range(10):
        one.heard(message(text=b"port %d" % n), "192.0.2.1")
    assert len(one._meant) <= 3
    huge = message(text=b"x" * 3000)
    assert one.heard(huge, "192.0.2.1")[0] == one.heard(huge, "192.0.2.1")[0]


def test_a_sender_that_another_device_took_over_is_that_device() -> None:
    one = receiver()
    before = one.heard(message(), "192.0.2.1")[0]
    after = one.heard(message(), "192.0.2.2")[0]
    assert before is not None
    assert after == replace(before, source="192.0.2.2", device=0)
