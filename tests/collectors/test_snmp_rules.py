"""What the SNMP collectors decide without a wire: walks, reboots, traps of version 1, storms, names, profiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs import snmp
from collectors.codecs.ber import parse_oid
from collectors.codecs.snmp import END_OF_MIB_VIEW, Message, TrapV1, VarBind, Version
from collectors.inputs.traps import Receiver, as_v2
from collectors.mibs import shipped_mibs
from collectors.sensors import sensor_metric, sensor_scale
from collectors.settings import TrapSettings
from collectors.snmp.polled import rebooted
from collectors.snmp.text import number_of
from collectors.snmp.walk import Walk
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import VirtualClock
from tests.collectors.test_snmp_codec import messages

COLUMN = (1, 3, 6, 1, 9)
TRAP_V1 = TrapV1((1, 3, 6, 1, 4, 1, 9), "192.0.2.1", 2, 0, 4711, (VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, 7, 3), 2, 2),))


def _rows(*indexes: int) -> list[VarBind]:
    return [VarBind((*COLUMN, index), 2, index) for index in indexes]


@pytest.mark.parametrize(
    ("answer", "kept", "problems"),
    [
        (_rows(1, 2), 2, []),
        (_rows(1, 3, 2, 4), 2, ["not_increasing"]),
        (_rows(1, 1), 1, ["not_increasing"]),
        ([*_rows(1), VarBind((*COLUMN, 1), END_OF_MIB_VIEW, None)], 1, []),
        ([*_rows(1), VarBind((1, 3, 6, 1, 10), 2, 0)], 1, []),
        (_rows(1, 2, 3, 4, 5, 6), 5, ["endless_table"]),
    ],
    ids=["plain", "falls back", "loops", "end of view", "next table", "endless"],
)
def test_a_walk_keeps_what_is_sound(answer: list[VarBind], kept: int, problems: list[str]) -> None:
    walk = Walk((COLUMN,), cells_max=5)
    walk.take([COLUMN], answer)
    assert (len(walk.table.column(COLUMN)), walk.table.problems) == (kept, problems)


@pytest.mark.parametrize(
    ("before", "now", "elapsed", "verdict"),
    [(1000, 4000, 3000, False), (1_000_000, 300, 3000, True), (2**32 - 1000, 2000, 3000, False), (2**32 - 1000, 90_000, 3000, True)],
)
def test_a_reboot_is_told_from_the_wrap_of_sys_up_time(before: int, now: int, elapsed: int, verdict: bool) -> None:
    assert rebooted(before, now, elapsed) is verdict


def test_a_v1_trap_becomes_the_v2_trap_it_stands_for() -> None:
    specific = TrapV1((1, 3, 6, 1, 4, 1, 9), "192.0.2.1", 6, 5, 1)
    assert [as_v2(trap).varbinds[1].value for trap in (TRAP_V1, specific)] == [(1, 3, 6, 1, 6, 3, 1, 1, 5, 3), (1, 3, 6, 1, 4, 1, 9, 0, 5)]


def _receiver(**settings: object) -> Receiver:
    out = Channel[tuple[Notification, ...]]("test traps", 10)
    topology = Topology(addresses={"192.0.2.1": 1, "198.51.100.1": 2})
    return Receiver(TrapSettings.model_validate(settings), topology=lambda: topology, mibs=shipped_mibs(), out=out, clock=VirtualClock(10))


def test_an_unauthenticated_trap_address_names_no_other_device() -> None:
    heard, reply = _receiver().heard(snmp.encode(Message(Version.V1, b"public", TRAP_V1)), "198.51.100.1")
    assert heard is not None and reply == b""
    assert (heard.name, heard.device, heard.authenticated, heard.fields["ifAdminStatus"]) == ("linkDown", 2, False, "down")


def test_a_storm_costs_only_its_sender() -> None:
    receiver, trap = _receiver(burst=3, rate_per_s=1.0), snmp.encode(Message(Version.V1, b"public", TRAP_V1))
    heard = [receiver.heard(trap, "192.0.2.1")[0] is not None for _ in range(5)]
    assert heard == [True, True, True, False, False]
    assert receiver.heard(trap, "198.51.100.1")[0] is not None


@given(st.one_of(st.binary(max_size=200), messages.map(snmp.encode)))
def test_the_receiver_survives_any_bytes(data: bytes) -> None:
    _receiver().heard(data, "192.0.2.1")


def test_names_translate_both_ways() -> None:
    mibs = shipped_mibs()
    oid = parse_oid("1.3.6.1.2.1.2.2.1.8.3")
    assert mibs.translate(oid) == "ifOperStatus.3"
    assert mibs.resolve("IF-MIB::ifOperStatus.3") == oid == mibs.resolve("1.3.6.1.2.1.2.2.1.8.3")


@pytest.mark.parametrize(
    ("scale", "precision", "factor"), [(9, 0, 1.0), (9, 1, 0.1), (8, 0, 1e-3), (8, 3, 1e-6), (10, -2, 1e3), (14, 0, 1e18), (15, 0, 1e15)]
)
def test_sensor_scales_of_rfc_3433(scale: int, precision: int, factor: float) -> None:
    assert sensor_scale(scale, precision) == pytest.approx(factor)


def test_optical_power_is_found_by_its_units() -> None:
    assert sensor_metric(1, "dBm", "xe-0/0/1 Rx Power") == "sensor.optical_receive_power"
    assert sensor_metric(14, "", "xe-0/0/1 Transmit Power") == "sensor.optical_transmit_power"
    assert sensor_metric(9, "%RH", "humidity") == "sensor.humidity"
    assert sensor_metric(12, "", "door open") == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"45", 45.0),
        (b"-2.5 dBm", -2.5),
        (b" 12 %", 12.0),
        (b"-12.3456", -12.3456),
        (b"3.3V\0\0", 3.3),
        (b"4294967295", 4294967295.0),
        (b"1" * 32, None),
        (b"12:34:56", None),
        (b"n/a", None),
        (b"", None),
    ],
)
def test_a_number_written_as_text_is_read_only_where_it_is_whole(text: bytes, number: float | None) -> None:
    assert number_of(VarBind((1, 3), 4, text)) == number
