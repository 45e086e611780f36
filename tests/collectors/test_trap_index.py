"""What a notification says only in the instance of its variables is a field too."""

from collectors.codecs.ber import parse_oid
from collectors.inputs.traps import Receiver
from collectors.mibs import shipped_mibs
from collectors.settings import TrapSettings
from inventory.topology import Topology
from simulator import agent_ber as ber
from simulator.messages import trap_pdu, v2c_message
from station.batch import Notification
from station.channel import Channel
from station.clock import VirtualClock


def heard(trap: str, *variables: tuple[str, bytes]) -> dict[str, str]:
    out: Channel[tuple[Notification, ...]] = Channel("test_trap_index", 1)
    topology = Topology(version=1)
    receiver = Receiver(TrapSettings(), topology=lambda: topology, mibs=shipped_mibs(), out=out, clock=VirtualClock(1))
    head = [("1.3.6.1.2.1.1.3.0", ber.integer(1, ber.TIME_TICKS)), ("1.3.6.1.6.3.1.1.4.1.0", ber.oid(parse_oid(trap)))]
    varbinds = [(parse_oid(oid), value) for oid, value in (*head, *variables)]
    notification, _ = receiver.heard(v2c_message("public", trap_pdu(varbinds, 1)), "127.0.0.1")
    assert notification is not None
    return dict(notification.fields)


def test_an_old_bgp_trap_names_its_peer_in_the_index() -> None:
    fields = heard("1.3.6.1.2.1.15.7.2", ("1.3.6.1.2.1.15.3.1.14.192.0.2.1", ber.text(b"\x04\x00")))
    assert fields["index"] == "192.0.2.1"


def test_an_ldp_session_carries_both_ends_in_its_index() -> None:
    row = "1.198.18.255.1.0.0.1.198.18.255.2.0.0"
    fields = heard("1.3.6.1.2.1.10.166.4.0.4", (f"1.3.6.1.2.1.10.166.4.1.3.3.1.2.{row.removeprefix('1.')}", ber.integer(1)))
    assert fields["index"].endswith("1.198.18.255.2.0.0")


def test_a_scalar_and_what_no_module_names_have_no_index() -> None:
    assert "index" not in heard("1.3.6.1.2.1.33.2.1", ("1.3.6.1.2.1.33.1.2.3.0", ber.integer(12)))
    assert "index" not in heard("1.3.6.1.4.1.99999.1", ("1.3.6.1.4.1.99999.2.7", ber.integer(12)))
