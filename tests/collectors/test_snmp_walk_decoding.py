"""An answer to a walk is read only as far as its columns go, and gives the same table as read whole."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs import ber, snmp
from collectors.codecs.ber import Oid
from collectors.codecs.snmp import END_OF_MIB_VIEW, Pdu, PduType, VarBind
from collectors.snmp.walk import Walk

COLUMNS: tuple[Oid, ...] = ((1, 3, 6, 1, 2, 1, 2, 2, 1, 2), (1, 3, 6, 1, 2, 1, 2, 2, 1, 3), (1, 3, 6, 1, 4, 1, 9_999, 1, 200))
BEHIND: Oid = (1, 3, 6, 1, 6, 3, 15)
oids = st.one_of(
    st.tuples(st.sampled_from(COLUMNS), st.integers(1, 2**32 - 1)).map(lambda pair: (*pair[0], pair[1])),
    st.just(BEHIND),
)
variables = st.one_of(
    st.builds(VarBind, oids, st.just(ber.INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.builds(VarBind, oids, st.just(ber.OCTET_STRING), st.binary(max_size=300)),
    st.builds(VarBind, oids, st.just(END_OF_MIB_VIEW), st.none()),
)


@given(st.lists(variables, max_size=40))
def test_reading_only_what_is_of_use_gives_the_same_table(told: list[VarBind]) -> None:
    answer = snmp.encode_pdu(Pdu(PduType.RESPONSE, 70_000_000, varbinds=tuple(told)))
    whole, part = Walk(COLUMNS), Walk(COLUMNS)
    used = whole.take(COLUMNS, snmp.decode_pdu(answer, 0, len(answer)).varbinds)
    assert part.take(COLUMNS, snmp.decode_pdu(answer, 0, len(answer), COLUMNS).varbinds) == used
    assert (part.table, part.active) == (whole.table, whole.active)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=130).map(lambda arcs: (1, 3, *arcs)))
def test_an_object_identifier_is_the_same_by_whichever_way_it_is_read(oid: Oid) -> None:
    if len(oid) > ber.MAX_ARCS:
        return
    content = ber.oid_content(oid)
    assert ber.decode_oid(b"\0" + content + b"\x7f", 1, 1 + len(content)) == oid
