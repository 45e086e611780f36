"""XML from a device: no DTD, no entities, no network, bounded in size and depth."""

from typing import Final

from lxml import etree

from collectors.codecs.ber import DecodeError

OCTETS_MAX: Final = 16 << 20
DEPTH_MAX: Final = 64


def parsed(text: str, octets_max: int = OCTETS_MAX) -> etree._Element:
    """The root element, or DecodeError."""
    if len(text) > octets_max:
        raise DecodeError("size")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DecodeError("xml", str(error)[:200]) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise DecodeError("doctype")
    return root


def name_of(element: etree._Element) -> str:
    """The element's name without its namespace."""
    local: str = etree.QName(element).localname
    return local
