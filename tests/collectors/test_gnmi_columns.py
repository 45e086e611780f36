"""gNMI messages read by layout mean what the whole decoder says, whatever their shape; any octets are read or refused."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from gnmi_pb import gnmi_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from collectors import gnmi_columns
from collectors.codecs.gnmi import GnmiDecodeError
from collectors.gnmi_columns import Columns, Gathered, Heard
from collectors.gnmi_models import gone_of, meaning_of
from inventory.topology import Device, Entity, Topology
from station.batch import SampleBatch
from station.catalogue import code_of
from station.series import series_of

NOW = 1_790_000_000_000_000_000
PORTS = {7 << 16 | n: Entity(7 << 16 | n, f"if-{n}", "interface", f"et-0/0/{n}") for n in range(4)}
NETWORK = Topology(1, devices={7: Device(no=7, id="d", name="r", site_id="", management_address="192.0.2.1")}, entities=PORTS)
COUNTERS = ("in-octets", "out-octets", "in-unicast-pkts", "in-errors")


def path(*names: str, port: str = "", prefix: str = "") -> pb.Path:
    return pb.Path(elem=[pb.PathElem(name=prefix + name, key={"name": port} if name == "interface" and port else {}) for name in names])


def update(leaf: str, port: int = 1, prefix: str = "", **value: Any) -> pb.Update:
    at = ("interfaces", "interface", "state", *leaf.split("/"))
    return pb.Update(path=path(*at, port=f"et-0/0/{port}", prefix=prefix), val=pb.TypedValue(**value))


def message(*updates: pb.Update, timestamp: int = NOW, prefix: pb.Path | None = None, delete: Sequence[pb.Path] = ()) -> bytes:
    octets: bytes = pb.SubscribeResponse(
        update=pb.Notification(timestamp=timestamp, update=updates, prefix=prefix, delete=delete)
    ).SerializeToString()
    return octets


class Taking(Columns):
    """Columns of one target that give what each message added."""

    def __init__(self) -> None:
        self.gathered = Gathered()
        super().__init__(meaning_of, self.gathered, gone_of)


def rows_of(found: tuple[Heard, SampleBatch]) -> list[tuple[int, ...]]:
    batch = found[1]
    columns = (batch.series, batch.raw, batch.value, batch.width, batch.time_ns)
    return [tuple(-1 if math.isnan(v) else int(v) for v in row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def take(columns: Taking, data: bytes, network: Topology = NETWORK) -> tuple[Heard, SampleBatch]:
    heard = columns.take(data, network, 7, NOW)
    return heard, columns.gathered.batch() if heard.batch is None else heard.batch


counts = st.integers(0, 2**64 - 1)
values = st.one_of(
    st.builds(lambda n: {"uint_val": n}, counts),
    st.builds(lambda n: {"int_val": n}, st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda n: {"json_ietf_val": f'"{n}"'.encode()}, counts),
    st.builds(lambda n: {"json_val": str(n).encode()}, counts),
    st.builds(lambda n: {"string_val": str(n)}, counts),
    st.builds(lambda x: {"double_val": x}, st.floats(0, 1e9)),
    st.builds(lambda x: {"json_val": str(x).encode()}, st.floats(0, 1e9)),
    st.builds(lambda s: {"string_val": s}, st.sampled_from(["UP", "oc-if:DOWN", "down", "", "\\", "ü"])),
    st.builds(lambda n: {"decimal_val": pb.Decimal64(digits=n, precision=2)}, st.integers(0, 10**6)),
    st.just({"bool_val": True}),
    st.just({"json_ietf_val": b'{"a": 1}'}),
    st.just({"json_ietf_val": b'"a\\"b"'}),
    st.just({"bytes_val": b"\x01"}),
)
leaf_names = st.sampled_from([*(f"counters/{name}" for name in COUNTERS), "oper-status", "admin-status", "mtu"])
updates = st.builds(
    lambda leaf, port, module, value: update(leaf, port, module, **value),
    leaf_names,
    st.integers(1, 5),
    st.sampled_from(["", "openconfig-interfaces:"]),
    values,
)


@given(st.lists(updates, max_size=8), st.integers(0, 2**62))
def test_a_message_by_its_layout_says_what_the_whole_decoder_says(some: list[pb.Update], timestamp: int) -> None:
    data, columns = message(*some, timestamp=timestamp), Taking()
    try:
        whole = Taking()._whole(pb.SubscribeResponse.FromString(data), NETWORK, 7, NOW)
    except GnmiDecodeError as error:
        with pytest.raises(GnmiDecodeError, match=error.reason):
            take(columns, data)
        return
    for _ in range(2):  # laid out, and read again
        found = take(columns, data)
        assert rows_of(found) == rows_of((whole, whole.batch or SampleBatch.empty()))
        assert found[0].ignored == whole.ignored


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    try:
        take(Taking(), data)
    except GnmiDecodeError:
        return


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_message_with_one_octet_changed_is_read_or_refused(at: int, octet: int) -> None:
    data = bytearray(message(update("counters/in-octets", uint_val=5), update("oper-status", string_val="UP")))
    data[at % len(data)] = octet
    columns = Taking()
    take(columns, message(update("counters/in-octets", uint_val=5), update("oper-status", string_val="UP")))
    try:
        found, wanted = rows_of(take(columns, bytes(data))), rows_of(take(Taking(), bytes(data)))
    except GnmiDecodeError:
        return
    assert found == wanted


def test_numbers_states_and_words_become_columns() -> None:
    columns = Taking()
    data = message(
        update("counters/in-octets", json_ietf_val=b'"18446744073709551615"'),
        update("counters/out-octets", uint_val=2**63),
        update("oper-status", json_ietf_val=b'"openconfig-interfaces:DOWN"'),
        update("mtu", uint_val=9000),
        update("counters/in-octets", port=9, uint_val=1),
    )
    found = take(columns, data)
    of = {name: series_of(7, 1, code_of(f"interface.{name}")) for name in ("in_octets", "out_octets", "oper_status")}
    assert rows_of(found) == [
        (of["in_octets"], 2**64 - 1, -1, 64, NOW),
        (of["out_octets"], 2**63, -1, 64, NOW),
        (of["oper_status"], 0, 2, 0, NOW),
    ]
    assert found[0].ignored == {"no_metric": 1, "unknown_interface": 1}


def test_a_prefix_is_part_of_every_path_and_another_prefix_is_another_layout() -> None:
    columns = Taking()
    one = pb.Update(path=path("state", "counters", "in-octets"), val=pb.TypedValue(uint_val=5))
    found = [
        rows_of(take(columns, message(one, prefix=path("interfaces", "interface", port=f"et-0/0/{port}"))))[0][0] for port in (1, 2, 1)
    ]
    assert found == [series_of(7, port, code_of("interface.in_octets")) for port in (1, 2, 1)]


def test_a_new_picture_of_the_network_is_looked_at_anew() -> None:
    columns, data = Taking(), message(update("counters/in-octets", port=8, uint_val=1))
    assert take(columns, data)[0].ignored == {"unknown_interface": 1}
    key = 7 << 16 | 8
    wider = Topology(2, devices=NETWORK.devices, entities={**PORTS, key: Entity(key, "if-8", "interface", "et-0/0/8")})
    assert len(rows_of(take(columns, data, wider))) == 1


def test_sync_and_a_wrong_clock() -> None:
    columns = Taking()
    assert take(columns, pb.SubscribeResponse(sync_response=True).SerializeToString())[0].synced
    late = take(columns, message(update("counters/in-octets", uint_val=1), timestamp=NOW - 10**12))
    assert rows_of(late)[0][-1] == NOW


PRESENT, NOT_PRESENT = 1, 6  # RFC 2863, ifOperStatus


@pytest.mark.parametrize(
    ("gone", "prefix", "ports"),
    [
        (path("interfaces", "interface", port="et-0/0/1"), None, [1]),
        (path("interfaces", "interface", "state", port="et-0/0/1", prefix="openconfig-interfaces:"), None, [1]),
        (path("state", "oper-status"), path("interfaces", "interface", port="et-0/0/2"), [2]),
        (path("interfaces", "interface", port="*"), None, [0, 1, 2, 3]),
        (path("interfaces"), None, [0, 1, 2, 3]),
        (path("interfaces", "interface", "state", "counters", port="et-0/0/1"), None, []),
        (path("interfaces", "interface", "subinterfaces", port="et-0/0/1"), None, []),
        (path("interfaces", "interface", port="et-0/0/9"), None, []),
        (path("interfaces", "interfac", port="et-0/0/1"), None, []),
    ],
)
def test_an_interface_that_is_deleted_is_not_present(gone: pb.Path, prefix: pb.Path | None, ports: list[int]) -> None:
    heard, batch = take(Taking(), message(delete=[gone], prefix=prefix))
    code = code_of("interface.oper_status")
    assert (heard.deleted, batch.series.tolist()) == (1, [series_of(7, n, code) for n in ports])
    assert batch.value.tolist() == [NOT_PRESENT] * len(ports)


def test_what_is_deleted_and_told_in_one_message_is_there() -> None:
    data = message(update("oper-status", port=1, string_val="UP"), delete=[path("interfaces")])
    heard, batch = take(Taking(), data)
    found = dict(zip(batch.series.tolist(), batch.value.tolist(), strict=True))
    assert found[series_of(7, 1, code_of("interface.oper_status"))] == PRESENT
    assert (heard.deleted, sorted(found.values())) == (1, [PRESENT, *[NOT_PRESENT] * 3])


def test_a_path_of_before_0_4_is_read() -> None:
    at = pb.Path(element=["interfaces", "interface[name=et-0/0/1]", "state", "counters", "in-octets"], origin="openconfig")
    _, batch = take(Taking(), message(pb.Update(path=at, val=pb.TypedValue(uint_val=9))))
    assert batch.raw.tolist() == [9]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnmi_columns, "LAYOUTS_MAX", 2)
    monkeypatch.setattr(gnmi_columns, "WORDS_MAX", 2)
    columns = Taking()
    for n in range(1, 4):
        take(columns, message(update("oper-status", port=n, string_val=f"WORD{n}")))
    assert len(columns._layouts) <= 2
    assert int((columns.gathered.keys != 0).sum()) <= 2
