"""No agent can crash a profile: any values in any rows of its columns give sensors that mean something, or none."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.codecs import ber, snmp
from collectors.codecs.ber import Oid
from collectors.codecs.snmp import VarBind
from collectors.hardware import Hardware
from collectors.sensors import Naming, sensors_of, told_apart
from collectors.sessions import peer_of
from collectors.snmp.learn import device_metrics, value_of
from collectors.snmp.profiles import shipped_profiles
from collectors.snmp.walk import Table
from inventory.entities import plan
from inventory.facts import DeviceFacts, SensorFacts
from station.catalogue import metrics_by_name

PROFILES = shipped_profiles().by_name
SESSIONS = {(name, at): table for name, one in PROFILES.items() for at, table in enumerate(one.sessions)}
ROWS: st.SearchStrategy[Oid] = st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 4, 9, 16]), max_size=20).map(tuple)
VALUES = st.one_of(
    st.integers(-(2**63), 2**64 - 1).map(lambda number: (ber.INTEGER, number)),
    st.sampled_from([-32768, 32767, 65535, 2147483647, -2147483648, 4294967295, -1, 0, 1]).map(lambda number: (ber.INTEGER, number)),
    st.floats().map(lambda number: (snmp.OPAQUE, number)),
    st.binary(max_size=40).map(lambda octets: (ber.OCTET_STRING, octets)),
    st.sampled_from([b"-2.5 dBm", b"45 C/113 F", b"12 %", b"1e999", b"nan"]).map(lambda octets: (ber.OCTET_STRING, octets)),
    ROWS.map(lambda oid: (ber.OBJECT_IDENTIFIER, oid)),
    st.just((snmp.IP_ADDRESS, "192.0.2.1")),
)
NAMING = Naming({1: "ge-0/0/1"}, Hardware(names={1: "slot 1"}, parents={1: 1}))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(PROFILES)), st.lists(ROWS, min_size=1, max_size=4, unique=True), st.data())
def test_any_values_give_sensors_within_their_metrics_bounds_or_none(name: str, rows: list[Oid], data: st.DataObject) -> None:
    found = PROFILES[name]
    drawn = data.draw(st.lists(VALUES, min_size=8, max_size=8))
    columns = dict.fromkeys([column for table in found.sensors for column in table.asked] + [c for m in found.device for c in m.columns])
    cells = {
        column: {row: VarBind((*column, *row), *drawn[(at + i) % len(drawn)]) for i, row in enumerate(rows)}
        for at, column in enumerate(columns)
    }
    read = Table(cells)
    sensors: list[SensorFacts] = []
    for table in found.sensors:
        sensors += sensors_of(table, read, NAMING)
    for metric, instances in device_metrics(found, read):
        value, known = value_of(metric, instances, read), metrics_by_name()[metric.metric]
        assert value is not None and known.low <= value <= known.high
    assert all(math.isfinite(sensor.scale) and sensor.name for sensor in sensors)
    names = [(sensor.kind, sensor.name) for sensor in told_apart(sensors)]
    facts = DeviceFacts("192.0.2.1", 161, "default", "r1", "", "", sensors=tuple(told_apart(sensors)))
    assert len(plan(facts, [], device_no=1, tenant=1, now_ns=1).new) == len({s.oid + s.metric for s in facts.sensors}), names


@given(st.sampled_from(sorted(SESSIONS)), ROWS, VALUES)
def test_any_index_names_a_session(which: tuple[str, int], row: Oid, value: tuple[int, snmp.Value]) -> None:
    table = SESSIONS[which]
    read = Table({table.peer_oid: {row: VarBind((*table.peer_oid, *row), *value)}} if table.peer_oid else {})
    assert isinstance(peer_of(table, row, read), str)
