"""NETCONF events are read flat; bombs, entities and other documents are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.ber import DecodeError
from collectors.codecs.netconf_event import OCTETS_MAX, decode

ENVELOPE = (
    '<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>2026-01-01T00:00:00Z</eventTime>{}</notification>'
)
CHANGE = (
    '<netconf-config-change xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications">'
    "<changed-by><username>admin</username><session-id>4</session-id></changed-by><datastore>running</datastore></netconf-config-change>"
)
BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + ENVELOPE.format("<e><x>&b;</x></e>")


def test_an_event_becomes_its_name_and_flat_fields() -> None:
    assert decode(ENVELOPE.format(CHANGE)) == (
        "netconf-config-change",
        {"eventTime": "2026-01-01T00:00:00Z", "changed-by/username": "admin", "changed-by/session-id": "4", "datastore": "running"},
    )


@pytest.mark.parametrize(
    "text",
    ["", "<a/>", "<notification/>", ENVELOPE.format(""), BOMB, "x" * (OCTETS_MAX + 1), ENVELOPE.format("<a>" * 80 + "</a>" * 80)],
    ids=["empty", "other", "no namespace", "no event", "entities", "too large", "too deep"],
)
def test_what_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode(text)


@given(st.text(max_size=300))
def test_any_text_decodes_or_raises_decode_error(text: str) -> None:
    for document in (text, ENVELOPE.format(text)):
        try:
            decode(document)
        except DecodeError:
            continue
