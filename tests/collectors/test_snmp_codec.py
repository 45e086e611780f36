"""The codec alone: any bytes decode or raise DecodeError, decode after encode is identity, and what agents really send."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs import ber, snmp
from collectors.codecs.ber import DecodeError
from collectors.codecs.snmp import COUNTER32, COUNTER64, GAUGE32, OPAQUE, Message, Pdu, PduType, TrapV1, VarBind, Version
from collectors.snmp.engine import reply_id

arcs = st.integers(0, ber.MAX_ARC)
oids = st.builds(lambda first, second, rest: (first, second, *rest), st.integers(0, 1), st.integers(0, 39), st.lists(arcs, max_size=20))
values = st.one_of(
    st.builds(lambda oid, value: VarBind(oid, ber.INTEGER, value), oids, st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda oid, value: VarBind(oid, ber.OCTET_STRING, value), oids, st.binary(max_size=300)),
    st.builds(lambda oid, value: VarBind(oid, ber.OBJECT_IDENTIFIER, value), oids, oids),
    st.builds(lambda oid, value: VarBind(oid, COUNTER32, value), oids, st.integers(0, 2**32 - 1)),
    st.builds(lambda oid, value: VarBind(oid, COUNTER64, value), oids, st.integers(0, 2**64 - 1)),
    st.builds(lambda oid, value: VarBind(oid, OPAQUE, value), oids, st.floats(allow_nan=False)),
    st.builds(lambda oid, value: VarBind(oid, snmp.IP_ADDRESS, str(value)), oids, st.ip_addresses(v=4)),
    st.builds(lambda oid: VarBind(oid, snmp.END_OF_MIB_VIEW, None), oids),
)
pdus = st.builds(
    Pdu,
    st.sampled_from([PduType.GET, PduType.GET_BULK, PduType.RESPONSE, PduType.INFORM, PduType.TRAP]),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 18),
    st.integers(0, 100),
    st.lists(values, max_size=10).map(tuple),
)
messages = st.builds(Message, st.sampled_from([Version.V1, Version.V2C]), st.binary(max_size=40), pdus)


@given(messages)
def test_decode_after_encode_is_identity(message: Message) -> None:
    assert snmp.decode(snmp.encode(message)) == message


@given(st.integers(0, 2**31 - 1), pdus, st.binary(max_size=32), st.binary(max_size=32))
def test_v3_decode_after_encode_is_identity(msg_id: int, pdu: Pdu, engine_id: bytes, context: bytes) -> None:
    scoped = snmp.encode_scoped(snmp.ScopedPdu(engine_id, context, pdu))
    frame = snmp.V3Frame(msg_id, 65507, 4, 3, b"security", scoped)
    decoded = snmp.decode_v3(snmp.encode_v3(frame))
    assert decoded == frame
    assert snmp.decode_scoped(decoded.scoped) == snmp.ScopedPdu(engine_id, context, pdu)


@given(
    st.one_of(
        st.binary(max_size=200), st.tuples(messages.map(snmp.encode), st.integers(0, 500), st.integers(0, 255)).map(lambda m: _bent(*m))
    )
)
def test_any_bytes_decode_or_raise_a_decode_error(data: bytes) -> None:
    for decode in (snmp.decode, snmp.decode_v3, snmp.decode_scoped, snmp.version_of, reply_id):
        with contextlib.suppress(DecodeError):
            decode(data)


def _bent(data: bytes, at: int, octet: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes((octet,)) + data[at + 1 :]


@given(messages.map(snmp.encode), st.data())
def test_a_truncated_message_is_refused(message: bytes, data: st.DataObject) -> None:
    with pytest.raises(DecodeError):
        snmp.decode(message[: data.draw(st.integers(0, len(message) - 1))])


def _varbind(tag: int, content: bytes) -> VarBind:
    body = ber.sequence((ber.sequence((ber.encode_oid((1, 3, 6, 1)), ber.tlv(tag, content))),))
    head = b"".join(map(ber.encode_integer, (7, 0, 0)))
    pdu = ber.tlv(PduType.RESPONSE, head + body)
    data = ber.sequence((ber.encode_integer(1), ber.tlv(4, b"c"), pdu))
    decoded = snmp.decode(data).pdu
    assert isinstance(decoded, Pdu)
    return decoded.varbinds[0]


@pytest.mark.parametrize(
    ("tag", "content", "value"),
    [
        (COUNTER64, "00ffffffffffffffff", 2**64 - 1),  # nine octets: the leading zero keeps it positive
        (COUNTER64, "ffffffffffffff85", 2**64 - 123),  # eight octets without it
        (COUNTER32, "00ffffffff", 2**32 - 1),
        (COUNTER32, "ffffffff", 2**32 - 1),
        (GAUGE32, "ffffffffffffff85", 2**32 - 123),  # sign-extended
        (GAUGE32, "0000000000000007", 7),
        (OPAQUE, "9f780442280000", 42.0),
        (OPAQUE, "9f79084045000000000000", 42.0),
        (OPAQUE, "1234", b"\x12\x34"),
        (ber.INTEGER, "ff", -1),
    ],
)
def test_numbers_as_agents_send_them(tag: int, content: str, value: object) -> None:
    assert _varbind(tag, bytes.fromhex(content)).value == value


@pytest.mark.parametrize(
    ("tag", "content", "reason"),
    [
        (COUNTER64, "01ffffffffffffffff", "range"),
        (COUNTER32, "0100000000", "range"),
        (COUNTER64, "", "integer"),
        (ber.INTEGER, "000000000000000000", "integer"),
        (snmp.IP_ADDRESS, "7f0000", "address"),
        (ber.OBJECT_IDENTIFIER, "2b80", "truncated"),
        (ber.OBJECT_IDENTIFIER, "2b" + "01" * 127, "arcs"),
        (ber.OBJECT_IDENTIFIER, "2bffffffffff7f", "arc"),
        (0x55, "00", "type"),
    ],
)
def test_values_that_are_refused(tag: int, content: str, reason: str) -> None:
    with pytest.raises(DecodeError) as refused:
        _varbind(tag, bytes.fromhex(content))
    assert refused.value.reason == reason


def test_long_form_lengths_are_read() -> None:
    plain = snmp.encode(Message(Version.V2C, b"public", Pdu(PduType.RESPONSE, 9, varbinds=(VarBind((1, 3, 6), ber.INTEGER, 5),))))
    assert plain[1] < 0x80
    longer = plain[:1] + b"\x84\x00\x00\x00" + plain[1:]
    assert snmp.decode(longer) == snmp.decode(plain)
    assert reply_id(longer) == 9


def test_the_indefinite_length_is_refused() -> None:
    with pytest.raises(DecodeError) as refused:
        snmp.decode(b"\x30\x80\x02\x01\x01\x00\x00")
    assert refused.value.reason == "length"


def test_a_message_over_64_kb_is_refused() -> None:
    with pytest.raises(DecodeError) as refused:
        snmp.decode(ber.tlv(ber.SEQUENCE, bytes(70_000)))
    assert refused.value.reason == "size"


def test_a_v1_trap_decodes() -> None:
    trap = TrapV1((1, 3, 6, 1, 4, 1, 9), "192.0.2.1", 2, 0, 4711, (VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 3), ber.INTEGER, 3),))
    message = Message(Version.V1, b"public", trap)
    assert snmp.decode(snmp.encode(message)) == message


def test_a_community_is_not_in_the_representation() -> None:
    assert "s3cret" not in repr(Message(Version.V1, b"s3cret", Pdu(PduType.GET, 1)))


@given(oids)
def test_an_object_identifier_survives_text_and_octets(oid: tuple[int, ...]) -> None:
    assert ber.parse_oid(ber.dotted(oid)) == oid
    content = ber.oid_content(oid)
    assert ber.decode_oid(content, 0, len(content)) == oid


@pytest.mark.parametrize(
    ("value", "octets"), [(0, "020100"), (127, "02017f"), (128, "02020080"), (-128, "020180"), (-(2**63), "02088000000000000000")]
)
def test_an_integer_takes_its_shortest_form(value: int, octets: str) -> None:
    assert ber.encode_integer(value).hex() == octets
