"""NETCONF notifications (RFC 5277) as a name and flat fields. No I/O; no DTD, no entities, bounded depth and size."""

from typing import Final

from lxml import etree

from collectors.codecs.ber import DecodeError
from collectors.codecs.netconf_xml import DEPTH_MAX, name_of, parsed

OCTETS_MAX: Final = 1 << 20
FIELDS_MAX: Final = 256
EVENT_TIME: Final = "eventTime"
_ENVELOPE: Final = "{urn:ietf:params:xml:ns:netconf:notification:1.0}"


def decode(text: str) -> tuple[str, dict[str, str]]:
    """(the event's element name, its leaves by path below it, joined by `/`); DecodeError when it is no notification.

    `eventTime` is a field too: when the server says that it happened (RFC 5277, 4).
    """
    root = parsed(text, OCTETS_MAX)
    if root.tag != f"{_ENVELOPE}notification":
        raise DecodeError("not_a_notification")
    event = next((child for child in root if child.tag != f"{_ENVELOPE}eventTime"), None)
    if event is None:
        raise DecodeError("no_event")
    time = root.findtext(f"{_ENVELOPE}eventTime")
    fields = {EVENT_TIME: time.strip()} if time else {}
    _leaves(event, (), fields)
    return name_of(event), fields


def _leaves(element: etree._Element, path: tuple[str, ...], fields: dict[str, str]) -> None:
    if len(path) > DEPTH_MAX:
        raise DecodeError("depth")
    for child in element:
        at = (*path, name_of(child))
        if len(child):
            _leaves(child, at, fields)
        elif len(fields) < FIELDS_MAX:
            fields.setdefault("/".join(at), (child.text or "").strip())
