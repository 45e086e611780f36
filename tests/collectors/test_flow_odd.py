"""What exporters in the field send besides plain records: odd templates, options of every scope, tunnels, sequences of their own."""

import struct

import pytest

from collectors.codecs.flow import text_of
from collectors.codecs.flow_decoder import SAME_STEPS, TEMPLATES_MAX, FlowDecoder
from collectors.codecs.flow_options import INTERFACES_MAX, packets_per_sample
from tests.collectors.test_flow import BASIC, S, field_set, flows_of, ipfix, record, sflow_datagram, template, v9

IPV4 = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 17, 0, bytes((192, 0, 2, 1)), bytes((198, 51, 100, 7)))
PORTS = struct.pack(">HHHH", 40_000, 53, 8, 0)


def options_v9(identifier: int, scopes: tuple[tuple[int, int], ...], fields: tuple[tuple[int, int], ...]) -> bytes:
    head = struct.pack(">HHH", identifier, 4 * len(scopes), 4 * len(fields))
    return field_set(1, head + b"".join(struct.pack(">HH", *one) for one in scopes + fields))


def options_ipfix(identifier: int, scopes: int, fields: tuple[tuple[int, int], ...]) -> bytes:
    head = struct.pack(">HHH", identifier, len(fields), scopes)
    return field_set(3, head + b"".join(struct.pack(">HH", *one) for one in fields))


def test_a_wrong_set_costs_only_itself() -> None:
    decoder = FlowDecoder()
    flows = flows_of(
        v9(field_set(0, template(300, BASIC)), field_set(0, template(10, ((1, 4),))), field_set(300, record())),
        v9(field_set(0, template(301, ((1, 0),))), field_set(300, record()), sequence=1),
        decoder=decoder,
    )
    assert (flows["octets"].tolist(), decoder.counts["template_id"], decoder.counts["template_length"]) == ([1000, 1000], 1, 1)


def test_fields_without_octets_and_padding_elements_are_stepped_over() -> None:
    fields = ((95, 0), (1, 4), (210, 3), (2, 4), (82, 0), (4, 1))
    flows = flows_of(ipfix(field_set(2, template(256, fields)), field_set(256, struct.pack(">I3sIB", 77, b"\xff\xff\xff", 5, 6) * 2)))
    assert [flows[name].tolist() for name in ("octets", "packets", "protocol")] == [[77, 77], [5, 5], [6, 6]]


def test_records_of_text_alone_are_flows_of_nothing() -> None:
    flows = flows_of(ipfix(field_set(2, template(256, ((96, 65535), (94, 65535)))), field_set(256, b"\x03abc\x00" + b"\x00\x01z")))
    assert flows["octets"].tolist() == [0, 0]


def test_the_same_number_of_an_enterprise_is_another_element() -> None:
    flows = flows_of(ipfix(field_set(2, template(256, ((1, 4, 9), (1, 4), (8, 4, 9)))), field_set(256, struct.pack(">III", 9, 5, 1))))
    assert (flows["octets"].tolist(), flows["source_low"].tolist()) == ([5], [0])


@pytest.mark.parametrize(
    ("make", "counters"),
    [
        (ipfix, ((1, 4), (2, 4), (1, 4, 29305), (2, 4, 29305))),
        (v9, ((231, 4), (298, 4), (232, 4), (299, 4))),
        (v9, ((1, 4), (2, 4), (23, 4), (24, 4))),
    ],
)
def test_a_record_of_both_directions_is_two_rows_and_one_flow(make: object, counters: tuple[tuple[int, ...], ...]) -> None:
    assert callable(make)
    fields, decoder = ((8, 4), (12, 4), (7, 2), (11, 2), (10, 4), (14, 4), (48, 1), *counters), FlowDecoder()
    ends = bytes((192, 0, 2, 1, 198, 51, 100, 7)) + struct.pack(">HHIIB", 51234, 443, 3, 4, 0)
    both, one_way = ends + struct.pack(">IIII", 1000, 10, 500, 5), ends + struct.pack(">IIII", 70, 1, 0, 0)
    sets = field_set(2 if make is ipfix else 0, template(300, fields)), field_set(300, both + one_way)
    flows = flows_of(make(*sets), decoder=decoder)
    assert [
        (int(row["octets"]), int(row["packets"]), int(row["source_port"]), int(row["in_if"]), int(row["backward"])) for row in flows
    ] == [(1000, 10, 51234, 3, 0), (70, 1, 51234, 3, 0), (500, 5, 443, 4, 1)]
    assert (text_of(0, int(flows[2]["source_low"])), decoder.counts["flows"]) == ("198.51.100.7", 2)


@pytest.mark.parametrize(
    ("element", "before"), [(315, b"\1\2\3\4\5\6" * 2 + b"\x08\x00"), (104, b"\1\2\3\4\5\6" * 2 + b"\x08\x00"), (313, b"")]
)
def test_sampled_frames_of_ipfix_stand_for_what_their_selector_takes(element: int, before: bytes) -> None:
    selector = options_ipfix(400, 1, ((302, 4), (305, 4), (306, 4)))
    frame = before + IPV4 + PORTS
    record = struct.pack(">IIH", 7, 3, 1514) + bytes((len(frame),)) + frame
    flows = flows_of(
        ipfix(selector, field_set(2, template(300, ((302, 4), (10, 4), (312, 2), (element, 65535)))), domain=5),
        ipfix(field_set(400, struct.pack(">III", 7, 1, 999)), domain=5),
        ipfix(field_set(300, record * 2), sequence=1, domain=5),
    )
    one = flows[1]
    assert [int(one[name]) for name in ("packets", "octets", "sampling", "in_if", "protocol", "destination_port", "domain")] == [
        1, 1514, 1000, 3, 17, 53, 5,
    ]  # fmt: skip
    assert text_of(0, int(one["source_low"])) == "192.0.2.1"


def test_icmp_has_its_type_and_code_where_others_have_a_port() -> None:
    flows = flows_of(ipfix(field_set(2, template(256, ((4, 1), (32, 2), (1, 4)))), field_set(256, struct.pack(">BHI", 1, 0x0800, 84))))
    assert flows["destination_port"].tolist() == [0x0800]


def test_a_template_that_changes_between_two_datagrams_reads_each_by_its_own() -> None:
    flows = flows_of(
        v9(field_set(0, template(300, ((1, 4),))), field_set(300, struct.pack(">I", 3))),
        v9(field_set(0, template(300, ((1, 8),))), field_set(300, struct.pack(">Q", 1 << 33)), sequence=1),
    )
    assert sorted(flows["octets"].tolist()) == [3, 1 << 33]


def test_an_interface_table_gives_names_and_no_flows() -> None:
    decoder = FlowDecoder()
    options = options_v9(256, ((1, 4),), ((10, 4), (82, 16), (83, 8)))
    rows = struct.pack(">II16s8s", 0, 3, b"Te0/0/3", b"uplink") + struct.pack(">II16s8s", 0, 4, b"", b"to \x1bber")
    assert len(flows_of(v9(options, field_set(256, rows)), decoder=decoder)) == 0
    assert decoder.interface_names() == {(1, 3): "Te0/0/3", (1, 4): "to ber"}


def test_ipfix_names_of_variable_length_are_read() -> None:
    decoder = FlowDecoder()
    options = options_ipfix(256, 1, ((10, 4), (82, 65535)))
    flows_of(ipfix(options, field_set(256, struct.pack(">IB", 7, 6) + b"xe-0/0" + struct.pack(">IB", 8, 2) + b"ae")), decoder=decoder)
    assert decoder.interface_names() == {(1, 7): "xe-0/0", (1, 8): "ae"}


def test_names_are_bounded() -> None:
    decoder = FlowDecoder()
    flows_of(v9(options_v9(256, ((2, 4),), ((82, 4),))), decoder=decoder)
    for start in range(0, INTERFACES_MAX + 500, 500):
        decoder.feed(v9(field_set(256, b"".join(struct.pack(">I4s", start + n + 1, b"ge") for n in range(500)))), "192.0.2.254", 0)
    assert len(decoder.interface_names()) == INTERFACES_MAX


def test_a_rate_of_one_interface_is_not_the_rate_of_another() -> None:
    flows = flows_of(
        v9(options_v9(256, ((2, 4),), ((34, 4),)), field_set(256, struct.pack(">II", 3, 1000))),
        v9(field_set(0, template(300, ((10, 4), (1, 4)))), field_set(300, struct.pack(">IIII", 3, 1, 4, 1)), sequence=1),
    )
    assert flows["sampling"].tolist() == [1000, 1]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({34: 512}, 512),
        ({50: 100, 49: 2}, 100),
        ({305: 1, 306: 999}, 1000),
        ({305: 4, 306: 4}, 2),
        ({305: 2048}, 2048),
        ({309: 1, 310: 4096}, 4096),
        ({34: 1 << 60}, 0xFFFF_FFFF),
        ({309: 0, 310: 7}, 0),
        ({}, 0),
    ],
)
def test_every_way_to_say_a_rate(numbers: dict[int, int], expected: int) -> None:
    assert packets_per_sample(numbers) == expected


def test_a_record_with_interval_and_space_is_scaled_by_both() -> None:
    flows = flows_of(ipfix(field_set(2, template(256, ((1, 4), (305, 4), (306, 4)))), field_set(256, struct.pack(">III", 9, 1, 99))))
    assert flows["sampling"].tolist() == [100]


def test_options_of_one_domain_do_not_speak_for_another() -> None:
    options = options_v9(256, ((1, 4),), ((34, 4),))
    flows = flows_of(
        v9(options, field_set(256, struct.pack(">II", 0, 100)), domain=1),
        v9(field_set(0, template(300, BASIC)), field_set(300, record()), domain=1, sequence=1),
        v9(field_set(0, template(300, BASIC)), field_set(300, record()), domain=2),
    )
    assert dict(zip(flows["domain"].tolist(), flows["sampling"].tolist(), strict=True)) == {1: 100, 2: 1}


def test_sequences_of_domains_are_counted_apart() -> None:
    decoder = FlowDecoder()
    for sequence, domain in ((10, 1), (500, 2), (11, 1), (503, 2), (14, 1)):
        decoder.feed(v9(sequence=sequence, domain=domain), "a", 0)
    assert decoder.lost["a"] == 4


def test_a_v9_sequence_that_counts_records_loses_nothing() -> None:
    decoder = FlowDecoder()
    decoder.feed(v9(field_set(0, template(300, BASIC))), "a", 0)
    sequence, lost_at_first = 1, 0
    for n in range(20):
        rows = 2 + n % 3
        decoder.feed(v9(field_set(300, record() * rows), sequence=sequence), "a", 0)
        sequence += rows
        if n == SAME_STEPS + 1:
            lost_at_first = decoder.lost["a"]
    assert decoder.lost["a"] == lost_at_first
    decoder.feed(v9(field_set(300, record()), sequence=sequence + 7), "a", 0)
    assert decoder.lost["a"] == lost_at_first + 7


def test_a_shorter_v5_datagram_gives_the_records_it_has() -> None:
    header = struct.pack(">HHIIIIBBH", 5, 3, 1, 2, 3, 77, 0, 4, 0)
    body = struct.pack(">4s4s4sHHIIIIHHBBBBHHBBH", bytes(4), bytes(4), bytes(4), 3, 4, 1, 60, 0, 0, 1, 2, 0, 0, 6, 0, 1, 2, 24, 16, 0)
    decoder = FlowDecoder()
    flows = flows_of(header + body + body[:20], decoder=decoder)
    assert (flows["octets"].tolist(), decoder.counts["truncated"]) == ([60], 1)


def test_templates_beyond_their_lifetime_make_room() -> None:
    decoder = FlowDecoder(lifetime_ns=10 * S)
    for n in range(TEMPLATES_MAX):
        decoder.feed(v9(field_set(0, template(256 + n, ((1, 4),))), sequence=n), "a", 0)
    decoder.feed(v9(field_set(0, template(60_000, ((1, 4),))), field_set(60_000, bytes(4))), "a", 11 * S)
    assert (len(decoder.take()), decoder.counts["too_many_templates"]) == (1, 0)


@pytest.mark.parametrize(
    "between",
    [
        struct.pack(">H", 0x0800),
        struct.pack(">HHH", 0x88A8, 5, 0x8100) + struct.pack(">HH", 10, 0x0800),
        struct.pack(">HII", 0x8847, 16 << 12, 17 << 12 | 0x100),
        struct.pack(">HBBHHH", 0x8864, 0x11, 0, 1, 42, 0x0021),
    ],
)
def test_sflow_finds_ip_below_tags_labels_and_pppoe(between: bytes) -> None:
    (one,) = flows_of(sflow_datagram(bytes(12) + between + IPV4 + PORTS))
    assert (text_of(0, int(one["source_low"])), int(one["destination_port"]), int(one["protocol"])) == ("192.0.2.1", 53, 17)


def test_sflow_reads_the_ports_behind_ipv6_extension_headers() -> None:
    extensions = struct.pack(">BB6x", 43, 0) + struct.pack(">BB6x", 44, 0) + struct.pack(">BBHI", 17, 0, 1, 9)
    ip = struct.pack(">IHBB16s16s", 6 << 28, 32, 0, 64, bytes(16), bytes(16))
    (one,) = flows_of(sflow_datagram(bytes(12) + struct.pack(">H", 0x86DD) + ip + extensions + PORTS))
    assert (int(one["protocol"]), int(one["destination_port"])) == (17, 53)


def test_a_later_fragment_has_no_ports() -> None:
    fragment = struct.pack(">BBHI", 17, 0, 8 << 3, 9)
    ip = struct.pack(">IHBB16s16s", 6 << 28, 32, 44, 64, bytes(16), bytes(16))
    (one,) = flows_of(sflow_datagram(bytes(12) + struct.pack(">H", 0x86DD) + ip + fragment + PORTS))
    assert (int(one["protocol"]), int(one["destination_port"])) == (17, 0)


def test_labels_without_an_end_are_left() -> None:
    (one,) = flows_of(sflow_datagram(bytes(12) + struct.pack(">H", 0x8847) + bytes(100)))
    assert (int(one["octets"]), int(one["protocol"])) == (1500, 0)
