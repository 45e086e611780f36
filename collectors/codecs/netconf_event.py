"""NETCONF notifications (RFC 5277) as a name and flat fields. No I/O; no DTD, no entities, bounded depth and size."""

from typing import Final

from lxml import etree

from collectors.codecs.ber import DecodeError

OCTETS_MAX: Final = 1 << 20
DEPTH_MAX: Final = 64
FIELDS_MAX: Final = 256
_ENVELOPE: Final = "{urn:ietf:params:xml:ns:netconf:notification:1.0}"


def decode(text: str) -> tuple[str, dict[str, str]]:
    """(the event's element name, its leaves by path below it, joined by `/`); DecodeError when it is no notification."""
    if len(text) > OCTETS_MAX:
        raise DecodeError("size")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DecodeError("xml", str(error)[:200]) from error
    if root.getroottree().docinfo.internalDTD is not None or root.tag != f"{_ENVELOPE}notification":
        raise DecodeError("not_a_notification")
    event = next((child for child in root if child.tag != f"{_ENVELOPE}eventTime"), None)
    if event is None:
        raise DecodeError("no_event")
    fields: dict[str, str] = {}
    _leaves(event, (), fields)
    return etree.QName(event).localname, fields


def _leaves(element: etree._Element, path: tuple[str, ...], fields: dict[str, str]) -> None:
    if len(path) > DEPTH_MAX:
        raise DecodeError("depth")
    for child in element:
        at = (*path, etree.QName(child).localname)
        if len(child):
            _leaves(child, at, fields)
        elif len(fields) < FIELDS_MAX:
            fields.setdefault("/".join(at), (child.text or "").strip())
