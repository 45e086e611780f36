"""Flow datagrams: templates, options, sampling, gaps, several domains, and what hostile senders try."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.codecs.flow import text_of
from collectors.codecs.flow_decoder import DOMAINS_MAX, EXPORTERS_MAX, GAP_MAX, TEMPLATES_MAX, FlowDecoder
from station.series import Array

S = 1_000_000_000
BASIC = ((8, 4), (12, 4), (1, 4), (2, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4))


def field_set(identifier: int, body: bytes) -> bytes:
    return struct.pack(">HH", identifier, len(body) + 4) + body


def template(identifier: int, fields: tuple[tuple[int, ...], ...]) -> bytes:
    body = b"".join(struct.pack(">HHI", one[0] | 0x8000, one[1], one[2]) if len(one) == 3 else struct.pack(">HH", *one) for one in fields)
    return struct.pack(">HH", identifier, len(fields)) + body


def record(octets: int = 1000, packets: int = 10) -> bytes:
    return bytes((192, 0, 2, 1, 198, 51, 100, 7)) + struct.pack(">IIHHBII", octets, packets, 51234, 443, 6, 3, 4)


def v9(*sets: bytes, sequence: int = 0, domain: int = 1) -> bytes:
    return struct.pack(">HHIIII", 9, len(sets), 1000, 1_700_000_000, sequence, domain) + b"".join(sets)


def ipfix(*sets: bytes, sequence: int = 0, domain: int = 1) -> bytes:
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), 1_700_000_000, sequence, domain) + body


def flows_of(*datagrams: bytes, decoder: FlowDecoder | None = None) -> Array:
    decoder = decoder or FlowDecoder()
    for n, datagram in enumerate(datagrams):
        decoder.feed(datagram, "192.0.2.254", n * S)
    return decoder.take()


@pytest.mark.parametrize(("make", "template_set"), [(v9, 0), (ipfix, 2)])
def test_records_are_read_by_their_template(make: object, template_set: int) -> None:
    assert callable(make)
    flows = flows_of(make(field_set(template_set, template(300, BASIC)), field_set(300, record() + record(500, 5) + b"\0\0")))
    assert flows["octets"].tolist() == [1000, 500]
    one = flows[0]
    assert (text_of(one["source_high"], int(one["source_low"])), text_of(0, int(one["destination_low"]))) == ("192.0.2.1", "198.51.100.7")
    assert [int(one[name]) for name in ("packets", "source_port", "destination_port", "protocol", "in_if", "out_if", "sampling")] == [
        10, 51234, 443, 6, 3, 4, 1,
    ]  # fmt: skip


def test_ipv6_odd_lengths_enterprise_and_variable_fields() -> None:
    fields = ((27, 16), (1, 3), (56701, 65535, 9), (2, 8), (82, 65535), (16, 4), (4, 1))
    body = bytes.fromhex("20010db8000000000000000000000001") + b"\x01\x00\x00" + b"\x02hi" + struct.pack(">Q", 7)
    body += b"\xff" + struct.pack(">H", 300) + bytes(300) + struct.pack(">IB", 4_200_000_001, 17)
    flows = flows_of(ipfix(field_set(2, template(256, fields)), field_set(256, body + body)))
    assert flows["octets"].tolist() == [65536, 65536]
    assert (flows["packets"][1], flows["source_as"][1], flows["protocol"][1]) == (7, 4_200_000_001, 17)
    assert text_of(int(flows["source_high"][0]), int(flows["source_low"][0])) == "2001:db8::1"


def test_data_before_its_template_is_counted_and_a_template_ends_with_its_lifetime() -> None:
    decoder = FlowDecoder(lifetime_ns=10 * S)
    decoder.feed(v9(field_set(300, record())), "a", 0)
    decoder.feed(v9(field_set(0, template(300, BASIC)), sequence=1), "a", 1 * S)
    decoder.feed(v9(field_set(300, record()), sequence=2), "a", 11 * S)
    decoder.feed(v9(field_set(300, record()), sequence=3), "a", 12 * S)
    assert (len(decoder.take()), decoder.counts["no_template"]) == (1, 2)


def test_a_withdrawn_template_is_gone_and_a_changed_one_is_taken() -> None:
    decoder = FlowDecoder()
    short = ((1, 4), (2, 4))
    flows = flows_of(
        ipfix(field_set(2, template(256, BASIC)), field_set(256, record())),
        ipfix(field_set(2, template(256, short)), field_set(256, struct.pack(">II", 9, 1))),
        ipfix(field_set(2, struct.pack(">HH", 256, 0)), field_set(256, record())),
        decoder=decoder,
    )
    assert (flows["octets"].tolist(), decoder.counts["no_template"]) == ([1000, 9], 1)


def test_domains_and_exporters_have_templates_of_their_own() -> None:
    decoder = FlowDecoder()
    decoder.feed(v9(field_set(0, template(300, BASIC)), domain=1), "a", 0)
    decoder.feed(v9(field_set(300, record()), domain=2), "a", 0)
    decoder.feed(v9(field_set(300, record()), domain=1), "b", 0)
    assert (len(decoder.take()), decoder.counts["no_template"]) == (0, 2)


def test_options_say_how_a_domain_samples() -> None:
    options = struct.pack(">HHH", 400, 4, 8) + struct.pack(">HHHHHH", 1, 4, 34, 4, 35, 1)
    flows = flows_of(
        v9(field_set(1, options), field_set(400, struct.pack(">IIB", 0, 100, 2))),
        v9(field_set(0, template(300, BASIC)), field_set(300, record())),
    )
    assert flows["sampling"].tolist() == [100]


def test_a_record_may_name_its_sampler() -> None:
    options = struct.pack(">HHH", 400, 4, 8) + struct.pack(">HHHHHH", 1, 4, 48, 1, 50, 4)
    with_sampler = template(300, (*BASIC, (48, 1)))
    flows = flows_of(
        v9(field_set(1, options), field_set(400, struct.pack(">IBI", 0, 1, 10) + struct.pack(">IBI", 0, 2, 1000))),
        v9(field_set(0, with_sampler), field_set(300, record() + b"\1" + record() + b"\2" + record() + b"\3")),
    )
    assert flows["sampling"].tolist() == [10, 1000, 1]


def test_packet_interval_and_space_of_ipfix() -> None:
    options = struct.pack(">HHH", 400, 3, 1) + struct.pack(">HHHHHH", 302, 4, 305, 4, 306, 4)
    flows = flows_of(
        ipfix(field_set(3, options), field_set(400, struct.pack(">III", 5, 1, 127))),
        ipfix(field_set(2, template(300, (*BASIC, (302, 4)))), field_set(300, record() + struct.pack(">I", 5))),
    )
    assert flows["sampling"].tolist() == [128]


def test_v5_has_its_columns_and_its_sampling() -> None:
    header = struct.pack(">HHIIIIBBH", 5, 1, 1, 2, 3, 77, 0, 4, 0x4000 | 50)
    body = (
        bytes((192, 0, 2, 1, 198, 51, 100, 7))
        + bytes(4)
        + struct.pack(">HHIIIIHHBBBBHHBBH", 3, 4, 10, 1000, 0, 0, 1, 2, 0, 0x12, 6, 0, 64500, 64501, 24, 16, 0)
    )
    (one,) = flows_of(header + body)
    names = "octets packets in_if source_as destination_mask tcp_flags sampling domain"
    assert [int(one[name]) for name in names.split()] == [
        1000, 10, 3, 64500, 16, 0x12, 50, 4,
    ]  # fmt: skip


@pytest.mark.parametrize(("make", "template_set", "step"), [(v9, 0, 1), (ipfix, 2, 2)])
def test_gaps_of_the_sequence_are_lost_and_restarts_are_not(make: object, template_set: int, step: int) -> None:
    assert callable(make)
    decoder, start = FlowDecoder(), 0xFFFF_FFFE
    decoder.feed(make(field_set(template_set, template(300, BASIC)), sequence=start), "a", 0)
    first = (start + (step == 1)) & 0xFFFF_FFFF
    two = field_set(300, record() * 2)
    for sequence in (
        first,
        (first + step) & 0xFFFF_FFFF,
        (first + 2 * step + 5) & 0xFFFF_FFFF,
        0x4000_0000 + GAP_MAX,
        (0x4000_0000 + GAP_MAX + step),
    ):
        decoder.feed(make(two, sequence=sequence), "a", S)
    assert decoder.lost["a"] == 5
    assert len(decoder.take()) == 10


def test_late_and_doubled_datagrams_lose_nothing() -> None:
    decoder = FlowDecoder()
    for sequence in (10, 12, 11, 12, 13):
        decoder.feed(v9(sequence=sequence), "a", 0)
    assert decoder.lost["a"] == 1


def sflow_datagram(frame: bytes, *, rate: int = 512, length: int = 1500) -> bytes:
    header = struct.pack(">IIII", 1, length, 4, len(frame)) + frame + bytes(-len(frame) & 3)
    gateway = struct.pack(">III4sIIIIIIIII", 1003, 44, 1, bytes(4), 64500, 64501, 0, 1, 2, 2, 64502, 64503, 0)
    records = struct.pack(">II", 1, len(header)) + header + gateway
    sample = struct.pack(">IIIIIIII", 9, 3, rate, 0, 0, 3, 0x8000_0002, 2) + records
    return struct.pack(">II4sIIII", 5, 1, bytes(4), 0, 7, 1000, 1) + struct.pack(">II", 1, len(sample)) + sample


def test_sflow_reads_the_sampled_frame_behind_a_vlan_tag() -> None:
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0x20, 40, 1, 0, 64, 6, 0, bytes((192, 0, 2, 1)), bytes((198, 51, 100, 7)))
    frame = bytes(12) + struct.pack(">HHH", 0x8100, 10, 0x0800) + ip + struct.pack(">HHIIBB", 51234, 443, 0, 0, 0x50, 0x18)
    (one,) = flows_of(sflow_datagram(frame))
    assert text_of(0, int(one["source_low"])) == "192.0.2.1"
    names = "octets packets sampling destination_port tcp_flags in_if out_if source_as destination_as"
    assert [int(one[name]) for name in names.split()] == [
        1500, 1, 512, 443, 0x18, 3, 0, 64501, 64503,
    ]  # fmt: skip


def test_templates_domains_and_exporters_are_bounded() -> None:
    decoder = FlowDecoder()
    for n in range(TEMPLATES_MAX + 5):
        decoder.feed(v9(field_set(0, template(256 + n, ((1, 4),))), sequence=n), "a", 0)
    assert decoder.counts["too_many_templates"] == 5
    for n in range(DOMAINS_MAX + 5):
        decoder.feed(v9(domain=n), "b", 0)
    assert decoder.counts["too_many_domains"] == 5
    for n in range(EXPORTERS_MAX):
        decoder.feed(v9(), f"c{n}", 0)
    assert decoder.counts["exporter_forgotten"] == 2


HOSTILE = [
    b"",
    b"\0\5",
    b"\0\x09",
    b"\0\5\0\1" + bytes(20),
    b"\0\7abc",
    v9(b"\1\0\0\3"),
    v9(b"\1\0\xff\xff"),
    v9(field_set(0, template(300, ((1, 0),)))),
    v9(field_set(0, struct.pack(">HH", 300, 60_000))),
    v9(field_set(0, template(10, ((1, 4),)))),
    ipfix(field_set(3, struct.pack(">HHH", 256, 1, 5))),
    ipfix()[:10],
    b"\0\0\0\5",
    b"\0\0\0\5\0\0\0\1" + bytes(16) + b"\0\0\xff\xff",
]


@pytest.mark.parametrize("datagram", HOSTILE)
def test_hostile_datagrams_are_counted(datagram: bytes) -> None:
    decoder = FlowDecoder()
    decoder.feed(datagram, "a", 0)
    assert len(decoder.take()) == 0
    assert sum(decoder.counts.values()) == 1


PIECES = st.sampled_from([template(300, BASIC), template(301, ((1, 3), (82, 65535))), record(), struct.pack(">HH", 300, 0), b"\xff" * 7])
SETS = st.builds(field_set, st.sampled_from([0, 1, 2, 3, 300, 301, 9]), st.lists(PIECES, max_size=3).map(b"".join))


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=120), st.lists(SETS, max_size=4).map(lambda s: v9(*s)), st.lists(SETS, max_size=4).map(lambda s: ipfix(*s))
        ),
        max_size=4,
    ),
    st.data(),
)
def test_any_datagrams_are_flows_or_counted(datagrams: list[bytes], data: st.DataObject) -> None:
    decoder = FlowDecoder()
    for datagram in datagrams:
        cut = data.draw(st.integers(0, len(datagram)))
        decoder.feed(datagram, "a", 0)
        decoder.feed(datagram[:cut], "a", 0)
    flows = decoder.take()
    assert np.all(flows["sampling"] >= 1)
