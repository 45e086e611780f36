"""Sparkplug B: births name metrics, gaps ask for a birth once, an old will kills nobody, any bytes are survived."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.ber import DecodeError
from collectors.codecs.mqtt_json import DeviceState, Measurement
from collectors.codecs.sparkplug import SparkplugMetric, decode
from collectors.inputs.mqtt import packed, unpacked
from collectors.sparkplug import REBIRTH_EVERY_NS, Nodes, SparkplugProfile, rebirth_payload
from station.catalogue import metrics_by_name

CPU = metrics_by_name()["device.cpu_utilisation"]
PROFILE = SparkplugProfile("{node}-{device}", {"cpu": (CPU, 0.01)})


def payload(seq: int, *metrics: bytes) -> bytes:
    return b"\x08\x05" + b"".join(b"\x12" + bytes([len(one)]) + one for one in metrics) + b"\x18" + bytes([seq])


def cpu(percent: int, *, named: bool) -> bytes:
    return (b"\x0a\x03cpu" if named else b"") + b"\x10\x01\x20\x03\x50" + bytes([percent])


BD_3, BD_4 = (b"\x0a\x05bdSeq\x20\x08\x58" + bytes([n]) for n in (3, 4))


def test_numbers_are_signed_by_their_type_and_null_is_null() -> None:
    minus = b"\x0a\x01a\x20\x01\x50\xff\x01"  # Int8, 255
    null = b"\x0a\x01b\x20\x03\x38\x01\x50\x07"
    assert decode(payload(0, minus, null)).metrics == (SparkplugMetric("a", -1, 0, -1), SparkplugMetric("b", -1, 0, None))


def test_data_after_a_birth_is_known_by_alias_for_node_and_device() -> None:
    nodes = Nodes(PROFILE)
    born = nodes.take("spBv1.0/g/NBIRTH/n", payload(0, BD_3, cpu(10, named=True)), 0)
    assert (born.measurements, born.states) == ((Measurement("n", CPU, 0.1, 5),), (DeviceState("n", online=True),))
    nodes.take("spBv1.0/g/DBIRTH/n/d", payload(1, cpu(20, named=True)), 0)
    said = nodes.take("spBv1.0/g/DDATA/n/d", payload(2, cpu(30, named=False)), 0)
    assert said.measurements == (Measurement("n-d", CPU, 0.3, 5),)


def test_a_gap_asks_for_a_birth_and_not_again_at_once() -> None:
    nodes = Nodes(PROFILE)
    nodes.take("spBv1.0/g/NBIRTH/n", payload(0, BD_3), 0)
    assert nodes.take("spBv1.0/g/NDATA/n", payload(5), 0).rebirth == "spBv1.0/g/NCMD/n"
    assert nodes.take("spBv1.0/g/NDATA/n", payload(9), 1).rebirth == ""
    assert nodes.take("spBv1.0/g/NDATA/n", payload(1), REBIRTH_EVERY_NS).rebirth == "spBv1.0/g/NCMD/n"


def test_the_will_of_an_earlier_session_is_not_this_ones_death() -> None:
    nodes = Nodes(PROFILE)
    nodes.take("spBv1.0/g/NBIRTH/n", payload(0, BD_4), 0)
    nodes.take("spBv1.0/g/DBIRTH/n/d", payload(1), 0)
    assert nodes.take("spBv1.0/g/NDEATH/n", payload(0, BD_3), 0).outcome == "old_death"
    died = nodes.take("spBv1.0/g/NDEATH/n", payload(0, BD_4), 0)
    assert died.states == (DeviceState("n", online=False), DeviceState("n-d", online=False))


def test_the_command_for_a_birth_reads_back() -> None:
    (metric,) = decode(rebirth_payload(1_700_000_000_000)).metrics
    assert (metric.name, metric.value) == ("Node Control/Rebirth", True)


@given(st.lists(st.tuples(st.integers(0, 1 << 62), st.text(max_size=20), st.binary(max_size=50)), max_size=5))
def test_a_record_reads_back(messages: list[tuple[int, str, bytes]]) -> None:
    assert unpacked(packed(messages)) == messages


@given(st.binary(max_size=200), st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "x"]))
def test_any_bytes_are_read_or_refused(octets: bytes, kind: str) -> None:
    try:
        Nodes(PROFILE).take(f"spBv1.0/g/{kind}/n/d"[: None if kind[0] == "D" else -2], octets, 0)
    except DecodeError:
        return
